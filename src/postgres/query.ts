/** One row of an answer, values as the driver parsed them. */
export type Row = Readonly<Record<string, unknown>>;

/** Sends one statement to one server. The only way that a probe knows of a driver. */
export type Query = (sql: string) => Promise<{ readonly rows: readonly Row[] }>;
