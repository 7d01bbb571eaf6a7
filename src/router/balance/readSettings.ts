// How reads are spread and how fresh they are, as an application may set it.

import { type Consistency, consistencyProblem, isConsistency } from '../consistency/consistency.ts';
import type { FallbackLimits } from '../fallbackGate.ts';
import { findUnknownNames, type NamesOf } from '../unknownNames.ts';
import { strategies } from './pickReplica.ts';
import type { BalanceSettings } from './readBalancer.ts';
import type { WhenLate } from './readFacts.ts';

export interface ReadSettings extends BalanceSettings {
  /** Of reads that ask for nothing else, outside of scopes that do. */
  readonly consistency: Consistency;
  readonly whenLate: WhenLate;
  /** How long a read may wait for a replica instead of going to the primary; 0 never waits. */
  readonly waitBudgetMs: number;
  /** The first signs tokens, each of them is believed. Without any there are no tokens. */
  readonly tokenKeys: readonly string[];
  /** How many reads the primary takes that replicas leave behind. */
  readonly fallback: FallbackLimits;
}

export const readDefaults: ReadSettings = {
  consistency: 'read-your-writes',
  strategy: 'round-robin',
  zone: null,
  // As the pool's default size: from there on reads would queue for a connection.
  zoneSpillInFlight: 10,
  slowStartMs: 10_000,
  whenLate: 'primary',
  // As the wait of `activerecord-wait_for_lsn`: less than anybody notices, more than a replica that is well needs.
  waitBudgetMs: 20,
  tokenKeys: [],
  fallback: {},
};

/** A shorter key can be guessed by who has a token. */
const shortestTokenKey = 16;

/** A wait beyond this is no moment any more, and a start no start. */
const longestWaitMs = 60_000;
const longestSlowStartMs = 3_600_000;

const settingNames: NamesOf<ReadSettings> = {
  consistency: true,
  strategy: true,
  zone: true,
  zoneSpillInFlight: true,
  slowStartMs: true,
  whenLate: true,
  waitBudgetMs: true,
  tokenKeys: true,
  fallback: true,
};
const fallbackNames: NamesOf<FallbackLimits> = { concurrent: true, perSecond: true };

/** Everything that is wrong with the settings, each with the name that an application knows it by. */
export function findReadProblems(settings: ReadSettings): string[] {
  const { strategy, whenLate, zone, tokenKeys, fallback } = settings;
  const known: readonly string[] = strategies;
  return [
    ...(isConsistency(settings.consistency) ? [] : [consistencyProblem]),
    ...(known.includes(strategy)
      ? []
      : [`strategy must be one of ${known.join(', ')}, not ${String(strategy)}`]),
    ...(whenLate === 'primary' || whenLate === 'least-late'
      ? []
      : [`whenLate must be primary or least-late, not ${String(whenLate)}`]),
    ...(zone === null || (typeof zone === 'string' && zone !== '')
      ? []
      : ['zone must be the name of a zone']),
    ...outOfRange('waitBudgetMs', settings.waitBudgetMs, 0, longestWaitMs),
    ...outOfRange('slowStartMs', settings.slowStartMs, 0, longestSlowStartMs),
    ...outOfRange('zoneSpillInFlight', settings.zoneSpillInFlight, 1, Number.MAX_SAFE_INTEGER),
    ...outOfRange('fallback.concurrent', fallback?.concurrent ?? 1, 1, Number.MAX_SAFE_INTEGER),
    ...outOfRange('fallback.perSecond', fallback?.perSecond ?? 1, Number.MIN_VALUE, Number.MAX_SAFE_INTEGER),
    ...(isKeyList(tokenKeys)
      ? []
      : [`tokenKeys must be a list of keys, each of ${shortestTokenKey} bytes or more`]),
    ...findUnknownNames(settings, settingNames, 'balancing'),
    ...findUnknownNames(fallback, fallbackNames, 'balancing.fallback'),
  ];
}

/** A key that is left out by an untyped caller, or a variable that is not set, must not be no key. */
function isKeyList(keys: unknown): boolean {
  return (
    Array.isArray(keys) &&
    keys.every((key) => typeof key === 'string' && Buffer.byteLength(key) >= shortestTokenKey)
  );
}

function outOfRange(name: string, value: number, least: number, most: number): string[] {
  if (value >= least && value <= most) return [];
  return [
    `${name} must be a number from ${least === Number.MIN_VALUE ? 'above 0' : least} to ${most}, not ${value}`,
  ];
}
