// Decides whether a read-write pooler keeps its clients waiting, from what the newest document announces.
//
// Invariant: an announcement pauses once, by its id, and for no longer than its `holdMs` on our own clock from when it was first seen
// here. Whatever else happens, clients are served again after that.
import type { PoolerKind } from '../api/names.ts';
import type { EndpointsDocument } from '../endpoints/index.ts';

export interface PauseMemory {
  /** The pause that is on. */
  readonly pause: { readonly id: string; readonly epoch: number; readonly untilMs: number } | undefined;
  /** The id that was over last. */
  readonly over: string | undefined;
}

export const noPause: PauseMemory = { pause: undefined, over: undefined };

/** The same object when nothing is different. */
export function planPause(
  kind: PoolerKind,
  endpoints: Pick<EndpointsDocument, 'epoch' | 'switchover'>,
  nowMs: number,
  memory: PauseMemory,
): PauseMemory {
  const { epoch, switchover = null } = endpoints;
  const { pause, over } = memory;
  if (pause !== undefined) {
    const goesOn = switchover?.id === pause.id && epoch <= pause.epoch && nowMs < pause.untilMs;
    return goesOn ? memory : planPause(kind, endpoints, nowMs, { pause: undefined, over: pause.id });
  }
  // Reads do not depend on who is primary.
  if (kind === 'ro' || switchover === null || switchover.id === over) return memory;
  const { id, holdMs } = switchover;
  return { pause: { id, epoch, untilMs: nowMs + holdMs }, over };
}
