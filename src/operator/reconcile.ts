// One cycle of one topology: facts, decision, effects.

import type { Outcome } from '../lib/outcome.ts';
import { planTopology } from '../plan/topology.ts';
import type { Deps } from './deps.ts';
import { execute } from './execute.ts';
import { observe } from './observe.ts';

/** Brings the cluster one step closer to what the resource asks for. Throws what the API server refused. */
export async function reconcile(key: string, deps: Deps, signal: AbortSignal): Promise<Outcome> {
  const { observed, tools } = await observe(key, deps, signal);
  const plan = planTopology(observed, tools);
  for (const action of plan.actions) await execute(action, observed, deps, signal);
  deps.log[plan.actions.length > 0 ? 'info' : 'debug'](
    { topology: key, actions: plan.actions.map((it) => it.kind) },
    plan.summary,
  );
  return plan.outcome;
}
