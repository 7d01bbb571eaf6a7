// What a refused probe means. A server that answers a probe with an error of its own is alive and may serve statements as ever; what
// is lost is the knowledge of how far behind it is, and a person has to mend that.

import type { Observation } from './observation.ts';

/** What to do, by SQLSTATE or by its class. https://www.postgresql.org/docs/current/errcodes-appendix.html */
const remedies: readonly (readonly [state: RegExp, remedy: string])[] = [
  [
    /^53300$/,
    'leave a connection for its probe: raise max_connections or the limit of the role, or lower poolSize',
  ],
  [
    /^42501$/,
    'grant the role what the probe reads: EXECUTE on pg_is_in_recovery and the functions of WAL positions',
  ],
  [/^(28...|3D000)$/, 'let the role log in there as it does on the other instances'],
];

/** As said after the name of an instance. */
export function describeRefusal(sqlState: string, reason: string): string {
  const remedy = remedies.find(([state]) => state.test(sqlState))?.[1] ?? 'look into its log';
  return `refuses to be probed, so that its lag is unknown (${sqlState}: ${reason}); ${remedy}`;
}

/** Of every instance that refused the last probe. */
export function probeProblems(observations: Iterable<Observation>): string[] {
  const problems: string[] = [];
  for (const { instance, probe } of observations) {
    if (probe.kind !== 'failed' || probe.refusal === undefined) continue;
    problems.push(`${instance} ${describeRefusal(probe.refusal, probe.reason)}`);
  }
  return problems;
}
