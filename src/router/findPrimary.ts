// Decides which instance may be written to, from the document and what the instances say of themselves.
//
// Invariant: an instance that is on an older timeline than any that has been seen, or that only an older document names, is never
// the answer. When two claim to be primary and nothing tells them apart, neither is: a write that waits can be repeated, one
// that went to the wrong server cannot be taken back.
//
// What it rests on: every promotion makes a timeline one higher than the one before, so the newest primary is the one on the
// highest timeline, and timelines never go back within a database system. A server on timeline 1 was never promoted.

import type { EndpointsDocument, PrimaryEndpoint } from '../endpoints/endpointsDocument.ts';
import type { AnsweredProbe, Observation } from './observation.ts';

/** The highest that has been seen. Kept by whoever asks, across documents. */
export interface PrimaryMemory {
  readonly epoch: number;
  /** Highest timeline of any instance. */
  readonly timeline: number | null;
  /** Highest timeline seen before `epoch` began: an instance that the newer document does not name must be beyond it. */
  readonly timelineBefore: number | null;
  /** The instance found last, with its timeline. */
  readonly primary: { readonly name: string; readonly timeline: number | null } | null;
  readonly systemIdentifier: string | null;
}

export const noMemory: PrimaryMemory = {
  epoch: 0,
  timeline: null,
  timelineBefore: null,
  primary: null,
  systemIdentifier: null,
};

export interface FoundPrimary {
  readonly primary: PrimaryEndpoint | null;
  readonly epoch: number;
  readonly timeline: number | null;
  /** For people: why this one, or why none. */
  readonly reason: string;
  readonly memory: PrimaryMemory;
}

interface Claim {
  readonly endpoint: PrimaryEndpoint;
  readonly probe: AnsweredProbe;
  readonly isNamed: boolean;
}

type Answer = Pick<FoundPrimary, 'primary' | 'timeline' | 'reason'>;

export function findPrimary(
  document: EndpointsDocument,
  observations: ReadonlyMap<string, Observation>,
  known: PrimaryMemory = noMemory,
): FoundPrimary {
  const systemIdentifier = referenceSystem(document, observations, known);
  const answers = readAnswers(document, observations, systemIdentifier);
  const memory = remember(document, answers, known, systemIdentifier);
  const primaries = answers.filter(({ probe }) => probe.role === 'primary');
  const answer = judge(document, primaries, observations, memory);
  return { ...answer, epoch: memory.epoch, memory: { ...memory, ...noteFound(answer, answers, memory) } };
}

/** What the instances of this database system say. */
function readAnswers(
  document: EndpointsDocument,
  observations: ReadonlyMap<string, Observation>,
  systemIdentifier: string | null,
): readonly Claim[] {
  const named = document.primary?.name;
  // As long as nothing tells which database system is meant, the one that is configured as primary is asked first.
  const isSettled = named === undefined || systemIdentifier !== null || observations.has(named);
  if (!isSettled) return [];
  return endpointsOf(document).flatMap((endpoint) => {
    const probe = answerOf(endpoint, observations);
    const isOurs = probe !== undefined && isOfSystem(probe, systemIdentifier);
    return isOurs ? [{ endpoint, probe, isNamed: endpoint.name === named }] : [];
  });
}

function judge(
  document: EndpointsDocument,
  primaries: readonly Claim[],
  observations: ReadonlyMap<string, Observation>,
  memory: PrimaryMemory,
): Answer {
  if (document.epoch < memory.epoch) {
    return none(`epoch ${memory.epoch} was seen, but the document is of epoch ${document.epoch}`);
  }
  const [found] = primaries.filter((claim) => !isOutdated(claim, document, memory));
  if (found === undefined) return withoutClaim(document, primaries, observations, memory);
  const { timeline } = found.probe;
  const rivals = distinctServers(
    primaries.filter(({ probe }) => probe.timeline === timeline || probe.timeline === null),
  );
  if (rivals.length > 1) {
    const names = rivals.map(({ endpoint }) => endpoint.name).join(' and ');
    const what = timeline === null ? 'and do not tell their timelines' : `of timeline ${timeline}`;
    return none(`${names} both say that they are primary ${what}`);
  }
  const { name } = found.endpoint;
  const reason = found.isNamed
    ? 'is primary, as the document says'
    : `has been promoted to timeline ${timeline}`;
  return { primary: found.endpoint, timeline, reason: `${name} ${reason}` };
}

/** Nobody says that it is the newest primary: the one that is known stays, unless it says itself that it is not. */
function withoutClaim(
  document: EndpointsDocument,
  outdated: readonly Claim[],
  observations: ReadonlyMap<string, Observation>,
  memory: PrimaryMemory,
): Answer {
  const candidate = expected(document, memory);
  if (candidate === undefined) return none(`the document of epoch ${document.epoch} names no primary`);
  const { endpoint, timeline } = candidate;
  const { name } = endpoint;
  const stale = outdated.find((claim) => claim.endpoint.name === name);
  const lastTimeline = stale?.probe.timeline ?? timeline;
  if (stale !== undefined || (lastTimeline !== null && lastTimeline < (memory.timeline ?? 0))) {
    return none(
      `${name} is of timeline ${lastTimeline ?? 'unknown'}, but timeline ${memory.timeline} was seen`,
    );
  }
  const probe = observations.get(name)?.probe;
  if (probe === undefined) return { primary: endpoint, timeline, reason: `${name} is not asked yet` };
  if (probe.kind === 'failed') {
    return { primary: endpoint, timeline, reason: `${name} does not answer: ${probe.reason}` };
  }
  if (probe.role === 'replica') return none(`${name} is a replica now, and no other instance is primary yet`);
  return none(`${name} is of another database system`);
}

/** Who was primary last: as found by asking where that is newer than what the document says, else as the document says. */
function expected(document: EndpointsDocument, { primary }: PrimaryMemory) {
  const found = endpointsOf(document).find(({ name }) => name === primary?.name);
  const isNewer =
    (primary?.timeline ?? 0) > (document.timeline ?? 0) || found?.name === document.primary?.name;
  if (found !== undefined && primary !== null && isNewer) {
    return { endpoint: found, timeline: primary.timeline ?? document.timeline };
  }
  if (document.primary === null) return undefined;
  return { endpoint: document.primary, timeline: document.timeline };
}

function noteFound(
  { primary, timeline }: Answer,
  answers: readonly Claim[],
  { primary: before, systemIdentifier }: PrimaryMemory,
): Pick<PrimaryMemory, 'primary' | 'systemIdentifier'> {
  if (primary === null) return { primary: before, systemIdentifier };
  const answer = answers.find(({ endpoint }) => endpoint.name === primary.name);
  return {
    primary: { name: primary.name, timeline },
    systemIdentifier: systemIdentifier ?? answer?.probe.systemIdentifier ?? null,
  };
}

function isOutdated({ probe, isNamed }: Claim, document: EndpointsDocument, memory: PrimaryMemory): boolean {
  const { timeline } = probe;
  if (timeline === null) {
    // Nothing is known against the one that the document names; another one must prove that it is newer.
    return !isNamed || memory.timeline !== null;
  }
  if (memory.timeline !== null && timeline < memory.timeline) return true;
  if (isNamed) return false;
  // An operator that does not tell the timeline is about to make a primary, and this is not the one.
  if (document.epoch > 0 && document.timeline === null) return true;
  return timeline <= Math.max(1, document.timeline ?? 1, memory.timelineBefore ?? 1);
}

/** One server at two addresses claims once, by the name that the document gives its primary. */
function distinctServers(claims: readonly Claim[]): readonly Claim[] {
  const named = claims.toSorted((one, other) => Number(other.isNamed) - Number(one.isNamed));
  return named.filter(
    (claim, index) => !named.slice(0, index).some((earlier) => isSameServer(earlier.probe, claim.probe)),
  );
}

/** The same start, to the microsecond, of the same database system. */
export function isSameServer(one: AnsweredProbe, other: AnsweredProbe): boolean {
  const isKnown = typeof one.server === 'string' && one.server === other.server;
  return isKnown && one.systemIdentifier === other.systemIdentifier;
}

function remember(
  document: EndpointsDocument,
  answers: readonly Claim[],
  known: PrimaryMemory,
  systemIdentifier: string | null,
): PrimaryMemory {
  const timeline = highest([
    known.timeline,
    document.timeline,
    ...answers.map(({ probe }) => probe.timeline),
  ]);
  if (document.epoch <= known.epoch) return { ...known, timeline, systemIdentifier };
  // A newer document knows better than what was found by asking, so that is forgotten unless they agree.
  const isSame = known.primary?.name === document.primary?.name;
  return {
    epoch: document.epoch,
    timeline,
    timelineBefore: known.timeline,
    primary: isSame ? known.primary : null,
    systemIdentifier,
  };
}

/** Of which database system the instances must be. The word of the one that is configured as primary counts for itself. */
function referenceSystem(
  document: EndpointsDocument,
  observations: ReadonlyMap<string, Observation>,
  known: PrimaryMemory,
): string | null {
  const probe = document.primary === null ? undefined : answerOf(document.primary, observations);
  return document.topology.systemIdentifier ?? known.systemIdentifier ?? probe?.systemIdentifier ?? null;
}

function isOfSystem(probe: AnsweredProbe, systemIdentifier: string | null): boolean {
  return (
    systemIdentifier === null ||
    probe.systemIdentifier === null ||
    probe.systemIdentifier === systemIdentifier
  );
}

function answerOf(
  { name }: PrimaryEndpoint,
  observations: ReadonlyMap<string, Observation>,
): AnsweredProbe | undefined {
  const probe = observations.get(name)?.probe;
  return probe?.kind === 'answered' ? probe : undefined;
}

/** Everybody who may be the primary, the one that the document names first. */
export function endpointsOf({ primary, replicas }: EndpointsDocument): readonly PrimaryEndpoint[] {
  return [
    ...(primary === null ? [] : [primary]),
    ...replicas.map(({ name, host, port, zone }) => ({ name, host, port, zone })),
  ];
}

function highest(timelines: readonly (number | null)[]): number | null {
  const known = timelines.filter((it) => it !== null);
  return known.length === 0 ? null : Math.max(...known);
}

function none(reason: string): Answer {
  return { primary: null, timeline: null, reason };
}
