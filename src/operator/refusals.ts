// What the API server refuses for good is remembered, so that the next cycle knows of it.

import { ApiError } from '../kube/apiError.ts';
import type { Manifest, Observed } from '../plan/observed.ts';
import type { Deps } from './deps.ts';
import type { TopologyMemory } from './memory.ts';
import { recordEvent } from './recordEvent.ts';

/** What the API server will not do however often it is asked. */
export function isRefusal(error: unknown): error is ApiError {
  return error instanceof ApiError && (error.isTerminal || error.status === 403);
}

/** Answers may name a time or a request, and would then be news with every try: the first one stands for so long. */
const refusalStandsMs = 30_000;

export function recordRefusal(desired: Manifest, why: string, observed: Observed, deps: Deps): void {
  const { kind: refused, metadata } = desired;
  const { refusals } = memoryOf(observed, deps);
  const now = deps.clock.now();
  const known = refusals.get(`${refused}/${metadata.name}`);
  const refusal =
    known !== undefined && now - known.at < refusalStandsMs
      ? known
      : { message: `${refused} ${metadata.name} was refused: ${why}`, at: now };
  refusals.set(`${refused}/${metadata.name}`, refusal);
  recordEvent({ type: 'Warning', reason: 'ApplyRefused', message: refusal.message }, observed, deps);
}

export function forgetRefusal({ kind: applied, metadata }: Manifest, observed: Observed, deps: Deps): void {
  memoryOf(observed, deps).refusals.delete(`${applied}/${metadata.name}`);
}

const memoryOf = ({ key }: Observed, { memory }: Deps): TopologyMemory =>
  memory.of(`${key.namespace}/${key.name}`);
