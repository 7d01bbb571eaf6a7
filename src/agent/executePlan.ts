// Carries out a plan's actions in their order.
//
// Invariant: what only serves others (the pod's label, roles, slots) does not keep the rest of the plan from being done;
// any other failure ends it, for what follows may build on it.

import type { InstanceAction } from '../plan/instanceFacts.ts';
import type { AgentMemory, AgentParts } from './agentParts.ts';
import { execute } from './execute.ts';

const passable: ReadonlySet<InstanceAction['kind']> = new Set([
  'labelPod',
  'healRoles',
  'createSlot',
  'dropSlot',
]);

/** Throws the failure that ended it. */
export async function executePlan(
  actions: readonly InstanceAction[],
  parts: AgentParts,
  signal: AbortSignal,
): Promise<void> {
  const { failures } = parts.memory;
  for (const action of actions) {
    try {
      const executed = await execute(action, parts, signal);
      failures.delete(keyOf(action));
      if (executed === 'planAgain') return;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const isNews = failures.get(keyOf(action)) !== reason;
      failures.set(keyOf(action), reason);
      if (!passable.has(action.kind)) throw error;
      if (isNews)
        parts.log.error({ err: error, action: action.kind }, 'a part of the plan failed and is repeated');
    }
  }
}

/** Why actions of a plan failed when they were last tried. Forgets those that are not asked for any more. */
export function standingFailures(
  actions: readonly InstanceAction[],
  { failures }: Pick<AgentMemory, 'failures'>,
): string[] {
  const asked = new Set(actions.map(keyOf));
  for (const key of failures.keys()) if (!asked.has(key)) failures.delete(key);
  return [...failures.values()];
}

function keyOf(action: InstanceAction): string {
  return 'name' in action ? `${action.kind} ${action.name}` : action.kind;
}
