// One statement as an application hands it over, in any of the call forms of `pg`.

import type { QueryConfig, QueryConfigValues, QueryResult, QueryResultRow, Submittable } from 'pg';
import { assertConsistency, type Consistency } from './consistency/consistency.ts';
import { RouterError } from './routerError.ts';

/** What a query config may carry beside what `pg` knows. */
export interface RoutingOptions {
  /** `primary` sends it there; `replica` sends a statement there that only seems to write. Default: by its text */
  readonly route?: 'primary' | 'replica' | undefined;
  /** Default: that of the scope, else of the pool. */
  readonly consistency?: Consistency | undefined;
}

/** `pg` takes the timeout, but does not name it in its types. */
export interface RoutedQueryConfig<I = unknown[]> extends QueryConfig<I>, RoutingOptions {
  /** Longest wait for the answer; then the statement is cancelled on the server. */
  readonly query_timeout?: number | undefined;
}

/** A call form that `pg` does not have. */
export type RoutedQuery = <R extends QueryResultRow = QueryResultRow, I = unknown[]>(
  config: RoutedQueryConfig<I>,
  values?: QueryConfigValues<I>,
) => Promise<QueryResult<R>>;

export interface Statement extends RoutingOptions {
  /** Undefined when the caller gives none: for a name only, or an object that talks to the connection in its own way. */
  readonly text: string | undefined;
  /** As the driver takes it. */
  readonly config: string | QueryConfig | Submittable;
  readonly values: unknown[] | undefined;
}

/** The driver's result: one, or several for a text of several statements. */
export type Answer = QueryResult;

export type Callback = (error: Error | undefined, result?: Answer) => void;

export function statementOf(
  text: string,
  params: readonly unknown[] = [],
  options: RoutingOptions = {},
): Statement {
  return { ...options, text, config: text, values: [...params] };
}

/** What one call asks for. A name that is mistyped must not be as if nothing had been asked for. @throws RouterError `RPG_CONFIG_INVALID` */
export function assertRouting({ consistency, route }: RoutingOptions): void {
  assertConsistency(consistency);
  if (route === undefined || route === 'primary' || route === 'replica') return;
  throw new RouterError('RPG_CONFIG_INVALID', `route must be primary or replica, not ${String(route)}`);
}

export interface QueryArguments {
  readonly statement: Statement;
  readonly callback: Callback | undefined;
}

/** The arguments of `query`, sorted. A callback may come at each of the three places where `pg` takes one. */
export function readQueryArguments(config: unknown, values: unknown, callback: unknown): QueryArguments {
  const given = asCallback(callback) ?? asCallback(values);
  const rest = typeof values === 'function' ? undefined : (values as unknown[] | undefined);
  if (typeof config !== 'object' || config === null) {
    const text = asText(config);
    return { statement: { text, config: config as string, values: rest }, callback: given };
  }
  const { text, cursor, route, consistency } = config as {
    text?: unknown;
    cursor?: { text?: unknown };
  } & RoutingOptions;
  const own = isSubmittable(config) ? undefined : asCallback((config as { callback?: unknown }).callback);
  return {
    statement: {
      text: asText(text) ?? asText(cursor?.text),
      route,
      consistency,
      values: rest,
      config: own === undefined ? (config as QueryConfig | Submittable) : plainConfig(config as QueryConfig),
    },
    callback: given ?? own,
  };
}

/** A cursor, a stream of rows or a `pg.Query`: it talks to the connection itself and tells its end by events. */
export function isSubmittable(config: unknown): config is Submittable {
  return (
    typeof config === 'object' && config !== null && 'submit' in config && typeof config.submit === 'function'
  );
}

// What `pg` reads of a config, apart from the callback, which is called by the router.
const driverFields = [
  'text',
  'values',
  'name',
  'rowMode',
  'types',
  'binary',
  'rows',
  'portal',
  'queryMode',
  'query_timeout',
] as const;

/** A copy, because the getters of a class may need the object itself. */
export function plainConfig(config: QueryConfig): QueryConfig {
  const given = config as QueryConfig & { readonly [field in (typeof driverFields)[number]]?: unknown };
  const fields = driverFields.map((field) => [field, given[field]] as const);
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined)) as unknown as QueryConfig;
}

/** The name of a prepared statement that is given without its text, so that only a connection that has it can run it. */
export function nameWithoutText({ text, config }: Statement): string | undefined {
  if (text !== undefined || typeof config !== 'object' || isSubmittable(config)) return undefined;
  return asText((config as QueryConfig | null)?.name);
}

/** The same, to be prepared anew each time; what has no name, or nothing but a name, stays as it is. */
export function withoutName(statement: Statement): Statement {
  const { text, config } = statement;
  if (text === undefined || typeof config !== 'object' || isSubmittable(config)) return statement;
  const { name, ...unnamed } = plainConfig(config);
  return name === undefined ? statement : { ...statement, config: unnamed };
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function asCallback(value: unknown): Callback | undefined {
  return typeof value === 'function' ? (value as Callback) : undefined;
}
