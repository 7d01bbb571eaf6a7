// What the text of a statement says about where it may run.

/** `denied` is refused before it is sent: on the wrong instance it would break the topology. */
export type Route = 'primary' | 'replica' | 'denied';

/**
 * What the statement leaves behind in its connection, so that what follows must run there too.
 *
 * - `nothing`: the connection may serve anybody next.
 * - `transaction`: a transaction is begun; it ends with COMMIT or ROLLBACK, which the server's status tells.
 * - `session`: a setting, temporary table, lock, listener, cursor or prepared statement stays until the connection is closed.
 */
export type Pins = 'nothing' | 'transaction' | 'session';

export interface Verdict {
  readonly route: Route;
  /** Name of the rule that decided, as in docs/reference/routing.md. */
  readonly rule: string;
  /** Where in the text the token begins that decided, in UTF-16 units; 0 when the whole text did. */
  readonly position: number;
  readonly pins: Pins;
}

/** Whether it is known to change nothing. A hint sends a function that nobody knows to a replica; that makes no read of it. */
export function isSurelyRead({ route, rule }: Verdict): boolean {
  return route === 'replica' && rule !== 'hint-replica';
}
