// One cycle of one topology: facts, decision, effects.
//
// Invariant: an action that fails keeps only those from being done that were decided because it would succeed. What may
// still be done is done, and then the failure is thrown, so that the cycle is tried again.

import { objectNames } from '../api/names.ts';
import { ApiError } from '../kube/apiError.ts';
import type { Outcome } from '../lib/outcome.ts';
import type { Action } from '../plan/action.ts';
import type { Observed } from '../plan/observed.ts';
import { planTopology } from '../plan/topology.ts';
import type { Deps } from './deps.ts';
import { execute } from './execute.ts';
import type { TopologyMemory } from './memory.ts';
import { observe } from './observe.ts';
import { StaleFacts } from './staleFacts.ts';

/** What was refused, or is not refused any more, is a fact of the next cycle. */
const nextCycleMs = 1;

/** Brings the cluster one step closer to what the resource asks for. Throws what the API server could not do. */
export async function reconcile(key: string, deps: Deps, signal: AbortSignal): Promise<Outcome> {
  const { observed, tools } = await observe(key, deps, signal);
  const plan = planTopology(observed, tools);
  const memory = deps.memory.of(key);
  const refusedBefore = refusedObjects(memory);
  if (observed.credentials !== 'missing') forgetSettled(plan.actions, memory);
  const isNews = () => refusedObjects(memory) !== refusedBefore;
  const errors = await executeAll(plan.actions, { observed, deps, memory, isNews }, signal);
  deps.log[plan.actions.length > 0 ? 'info' : 'debug'](
    { topology: key, actions: plan.actions.map((it) => it.kind) },
    plan.summary,
  );
  if (errors.length > 0) throw joined(errors);
  return isNews() ? { kind: 'again', afterMs: nextCycleMs } : plan.outcome;
}

interface Cycle {
  readonly observed: Observed;
  readonly deps: Deps;
  readonly memory: TopologyMemory;
  /** Whether this cycle has met a refusal that the plan did not know of, or the end of one. */
  readonly isNews: () => boolean;
}

/** Does all that may be done, in order, and returns what has failed. */
async function executeAll(
  actions: readonly Action[],
  { observed, deps, memory, isNews }: Cycle,
  signal: AbortSignal,
): Promise<readonly unknown[]> {
  const { endpointsConfigMap, configConfigMap } = objectNames(observed.key.name);
  const errors: unknown[] = [];
  const failed: Action[] = [];
  let isStatusWritten = false;
  for (const action of actions) {
    const isUnsaid = isNews() || failed.some((it) => isApplied(it, 'ConfigMap', endpointsConfigMap));
    // The status, and the events that tell what it says, speak of what has been published and of what was refused.
    if (action.kind === 'applyStatus' && isUnsaid) break;
    const isConfigured =
      !memory.refusals.has(`ConfigMap/${configConfigMap}`) &&
      !failed.some((it) => isApplied(it, 'ConfigMap', configConfigMap));
    // Who comes and goes is told, before the status, by whoever manages to write it into the configuration.
    if (action.kind === 'recordEvent' && !isStatusWritten && !isConfigured) continue;
    if (mustWait(action, failed, isConfigured)) continue;
    try {
      await execute(action, observed, deps, signal);
      isStatusWritten ||= action.kind === 'applyStatus';
    } catch (error) {
      if (signal.aborted || error instanceof StaleFacts) throw error;
      errors.push(error);
      failed.push(action);
      if (action.kind === 'applyStatus') break;
    }
  }
  return errors;
}

/**
 * Whether an action was decided because others would succeed. A certificate is of use only with its authority, and whoever
 * is removed must have left the configuration before.
 */
function mustWait(action: Action, failed: readonly Action[], isConfigured: boolean): boolean {
  if (action.kind === 'deleteObject' || action.kind === 'deleteClaim')
    return failed.length > 0 || !isConfigured;
  return isApplied(action, 'Secret') && failed.some((it) => isApplied(it, 'Secret'));
}

function isApplied(action: Action, kind: string, name?: string): boolean {
  if (action.kind !== 'applyObject' || action.object.kind !== kind) return false;
  return name === undefined || action.object.metadata.name === name;
}

/** An object that is as it should be, or that nobody wants any more, is refused no longer. */
function forgetSettled(actions: readonly Action[], { refusals }: TopologyMemory): void {
  const tried = new Set(
    actions.flatMap((it) =>
      it.kind === 'applyObject' ? [`${it.object.kind}/${it.object.metadata.name}`] : [],
    ),
  );
  for (const object of refusals.keys()) if (!tried.has(object)) refusals.delete(object);
}

const refusedObjects = ({ refusals }: TopologyMemory): string => [...refusals.keys()].sort().join(' ');

/** One error for all. That somebody was faster is everyday life only while nothing else is the matter. */
function joined(errors: readonly unknown[]): unknown {
  const [first] = errors;
  const isConflict = (error: unknown) => error instanceof ApiError && error.isConflict;
  if (errors.length === 1 || errors.every(isConflict)) return first;
  const messages = errors.map((it) => (it instanceof Error ? it.message : String(it)));
  return new AggregateError(errors, messages.join('; '));
}
