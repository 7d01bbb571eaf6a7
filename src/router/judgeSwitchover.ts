// Decides whether new writes wait because the primary role is about to move, from what the document and the primary announce.
//
// Invariant: an announcement is heeded once, by its id, and for no longer than its `holdMs` on our own clock from when it was first
// seen here. It is over when another instance is primary, when whoever made it takes it back, or when its time is.

import type { SwitchoverAnnouncement } from '../endpoints/endpointsDocument.ts';
import type { FoundPrimary } from './findPrimary.ts';
import type { AnsweredProbe, Observation } from './observation.ts';

export interface SwitchoverFacts {
  /** What the newest document announces. */
  readonly published: SwitchoverAnnouncement | null;
  readonly found: FoundPrimary;
  readonly observations: ReadonlyMap<string, Observation>;
  readonly nowMs: number;
}

/** An announcement that is in force. */
export interface SwitchoverHold extends SwitchoverAnnouncement {
  /** Who was primary when it was first seen. */
  readonly from: string | null;
  readonly untilMs: number;
  /** Whether the document, and whether the primary itself, has announced it: each can take it back. */
  readonly isPublished: boolean;
  readonly isInBand: boolean;
}

export interface SwitchoverMemory {
  readonly hold: SwitchoverHold | undefined;
  /** Ids that are over, the newest last. */
  readonly over: readonly string[];
}

export const noSwitchover: SwitchoverMemory = { hold: undefined, over: [] };

/** A mounted document tells an id for a minute after it is over; in that time there are not that many switchovers. */
const rememberedIds = 16;

/** The same object when nothing is different. */
export function judgeSwitchover(facts: SwitchoverFacts, memory: SwitchoverMemory): SwitchoverMemory {
  const inBand = announcedInBand(facts);
  const known = memory.hold === undefined ? memory : judgeHold(facts, inBand, memory, memory.hold);
  // A document may be a minute late, so that it does not speak against what the primary says now.
  const candidates = known.hold?.isInBand === true ? [inBand] : [inBand, facts.published];
  const next = candidates.find((it) => it !== null && mayBegin(it, facts, known));
  if (next === null || next === undefined) return known;
  const over = known.hold === undefined ? known.over : [...known.over, known.hold.id];
  const { id, to, holdMs } = next;
  return {
    hold: {
      id,
      to,
      holdMs,
      from: facts.found.primary?.name ?? null,
      untilMs: facts.nowMs + holdMs,
      isPublished: facts.published?.id === id,
      isInBand: inBand?.id === id,
    },
    over: over.slice(-rememberedIds),
  };
}

/** A word for the log: why what is held goes on. */
export function whyOver({ found, nowMs }: SwitchoverFacts, hold: SwitchoverHold): string {
  if (hasMoved(found, hold)) return `${found.primary?.name} is primary`;
  return nowMs >= hold.untilMs ? `it took longer than ${hold.holdMs} ms` : 'it was withdrawn';
}

function mayBegin(
  { id, to }: SwitchoverAnnouncement,
  { found }: SwitchoverFacts,
  { hold, over }: SwitchoverMemory,
): boolean {
  return id !== hold?.id && !over.includes(id) && to !== found.primary?.name;
}

function judgeHold(
  facts: SwitchoverFacts,
  inBand: SwitchoverAnnouncement | null,
  memory: SwitchoverMemory,
  hold: SwitchoverHold,
): SwitchoverMemory {
  const { published, nowMs } = facts;
  const isPublished = published?.id === hold.id;
  const isInBand = inBand?.id === hold.id;
  const isWithdrawn =
    (hold.isPublished && !isPublished) || (hold.isInBand && !isInBand && hasAnsweredAsPrimary(facts, hold));
  if (nowMs >= hold.untilMs || isWithdrawn || hasMovedSurely(facts, hold)) {
    return { hold: undefined, over: [...memory.over, hold.id].slice(-rememberedIds) };
  }
  if ((hold.isPublished || !isPublished) && (hold.isInBand || !isInBand)) return memory;
  const sources = { isPublished: hold.isPublished || isPublished, isInBand: hold.isInBand || isInBand };
  return { ...memory, hold: { ...hold, ...sources } };
}

/** Of the instance that is taken for the primary alone; one whose turn has come does not announce itself. */
function announcedInBand({ found, observations }: SwitchoverFacts): SwitchoverAnnouncement | null {
  const name = found.primary?.name;
  const announced = name === undefined ? null : (asPrimary(name, observations)?.switchover ?? null);
  return announced === null || announced.to === name ? null : announced;
}

/** Only an answer takes an announcement back. A primary that is silent may be on its way down, as it has said. */
function hasAnsweredAsPrimary({ found, observations }: SwitchoverFacts, { from }: SwitchoverHold): boolean {
  return from !== null && found.primary?.name === from && asPrimary(from, observations) !== undefined;
}

function hasMoved({ primary }: FoundPrimary, { from, to }: SwitchoverHold): boolean {
  return primary !== null && (from === null ? primary.name === to : primary.name !== from);
}

/** A document may name the new primary before it accepts writes, so that it has to say so itself where it is asked at all. */
function hasMovedSurely({ found, observations }: SwitchoverFacts, hold: SwitchoverHold): boolean {
  if (found.primary === null || !hasMoved(found, hold)) return false;
  const isAsked = observations.has(found.primary.name);
  return !isAsked || asPrimary(found.primary.name, observations) !== undefined;
}

function asPrimary(name: string, observations: ReadonlyMap<string, Observation>): AnsweredProbe | undefined {
  const probe = observations.get(name)?.probe;
  return probe?.kind === 'answered' && probe.role === 'primary' ? probe : undefined;
}
