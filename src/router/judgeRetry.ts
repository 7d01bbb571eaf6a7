// What of a failed write provably did not happen, and whether there is a primary again that may be asked to do it.
//
// Invariant: what may have been committed is never sent again. PostgreSQL's word counts only where it leaves no doubt:
//
// - The connection was not there, or the server refused it (57P03): nothing was sent.
// - 57P01 as an error: the server ended the session before it committed. Once it has committed it holds back every interrupt
//   until the answer is on its way, and one that waits for a synchronous replica in COMMIT says 57P01 as a warning and hangs up, so
//   that the driver sees no error but a lost connection. What commits in its middle (procedures, VACUUM, several statements with a
//   COMMIT among them) is not rolled back as a whole, so that only single statements that change rows count.
// - 57P02, and 57P01 of an immediate stop, come as warnings from anywhere, also after the commit: the connection is lost, the outcome
//   unknown.
// - 25006 from a server that says it is a standby: a standby commits nothing.
//
// What a foreign table writes on another server is committed there first; PostgreSQL itself calls that no transaction.

import type { EndpointsDocument, PrimaryEndpoint } from '../endpoints/endpointsDocument.ts';
import { codeOf, type Failure } from './judgeFailure.ts';
import type { Observation } from './observation.ts';

/**
 * - `unsent`: the server has not seen it.
 * - `refused`: the server was a standby.
 * - `rolledBack`: the server ended the session in its middle.
 */
export type NotRun = 'unsent' | 'refused' | 'rolledBack';

/** Undefined when it may have run. `isStandby`: the server has said so since. */
export function judgeNotRun(
  text: string | undefined,
  { kind, phase, error }: Failure,
  isStandby: boolean,
): NotRun | undefined {
  const code = codeOf(error) ?? '';
  if (code === '25006') return isStandby ? 'refused' : undefined;
  if (kind !== 'connection') return undefined;
  if (code === '57P03') return 'unsent';
  // The server is there, and has another reason to let nobody in.
  if (phase === 'connecting')
    return /^\d[0-9A-Z]{4}$/.test(code) && !/^(08|57P)/.test(code) ? undefined : 'unsent';
  return code === '57P01' && rollsBackWhole(text ?? '') ? 'rolledBack' : undefined;
}

const comment = /--[^\n]*\n|\/\*(?:[^*/]|\*(?!\/)|\/(?!\*))*\*\//.source;
const changesRows = /(?:insert|update|delete|merge|with|select|begin|start)\b[^;]*;?\s*$/.source;
const oneChange = new RegExp(`^(?:\\s|${comment})*${changesRows}`, 'i');

/** Generous in what it doubts: a semicolon in a string is one, too. */
function rollsBackWhole(text: string): boolean {
  return oneChange.test(text);
}

/** What is known of a statement that has failed. */
export interface FailedWrite {
  readonly how: NotRun | undefined;
  /** Where; null when no primary was known. */
  readonly endpoint: PrimaryEndpoint | null;
  /** As the instance told its own start before; null when it was never asked. */
  readonly server: string | null;
  readonly failedAtMs: number;
}

/** The signals reach the sessions of a server that stops within this: an answer from later is one of a server that stays. */
const stoppingMs = 100;

/**
 * `there`: send it again. `wait`: no primary answers yet. `unchanged`: it was not the end of the server, but of this session, which
 * somebody may have ended because of what it did.
 */
export function judgeSuccessor(
  document: EndpointsDocument,
  observations: ReadonlyMap<string, Observation>,
  { how, endpoint, server, failedAtMs }: FailedWrite,
): 'there' | 'wait' | 'unchanged' {
  const { primary } = document;
  if (primary === null) return 'wait';
  const seen = observations.get(primary.name);
  if (seen?.probe.kind !== 'answered' || seen.probe.role !== 'primary') return 'wait';
  const isOther = endpoint === null || endpoint.host !== primary.host || endpoint.port !== primary.port;
  if (isOther) return 'there';
  if (how !== 'rolledBack') return seen.startedAtMs >= failedAtMs ? 'there' : 'wait';
  if (seen.startedAtMs < failedAtMs + stoppingMs) return 'wait';
  const isAnother = server !== null && typeof seen.probe.server === 'string' && seen.probe.server !== server;
  return isAnother ? 'there' : 'unchanged';
}
