// One statement as an application hands it over, in any of the call forms of `pg`.

import type { QueryConfig, QueryConfigValues, QueryResult, QueryResultRow, Submittable } from 'pg';
import type { Consistency } from './consistency/consistency.ts';

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
  /** Empty when the driver is given a name only. */
  readonly text: string;
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

/** The arguments of `query`, sorted. A callback may come at each of the three places where `pg` takes one. */
export function readQueryArguments(
  config: unknown,
  values: unknown,
  callback: unknown,
): { readonly statement: Statement; readonly callback: Callback | undefined } {
  const given = asCallback(callback) ?? asCallback(values);
  const rest = typeof values === 'function' ? undefined : (values as unknown[] | undefined);
  if (typeof config !== 'object' || config === null) {
    const text = typeof config === 'string' ? config : '';
    return { statement: { text, config: config as string, values: rest }, callback: given };
  }
  const { text, cursor, route, consistency } = config as {
    text?: unknown;
    cursor?: { text?: unknown };
  } & RoutingOptions;
  const words = typeof text === 'string' ? text : typeof cursor?.text === 'string' ? cursor.text : '';
  const own = isSubmittable(config) ? undefined : asCallback((config as { callback?: unknown }).callback);
  return {
    statement: {
      text: words,
      route,
      consistency,
      values: rest,
      config: own === undefined ? (config as QueryConfig | Submittable) : withoutCallback(config),
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

/** What `pg` would run, apart from the callback, which is called by the router. */
function withoutCallback(config: object): QueryConfig {
  return Object.create(config, { callback: { value: undefined } }) as QueryConfig;
}

function asCallback(value: unknown): Callback | undefined {
  return typeof value === 'function' ? (value as Callback) : undefined;
}
