// Instances that have failed rest from reads; these are the ways back.

import type { Router } from './router.ts';

/** Longer than servers take to restart; one that is away for longer is left to the pace of the health check. */
const awaitedForMs = 60_000;

/** While one read finds out whether a rested instance is back, the others stay away from it. */
export function claimRested({ health, settings }: Router, name: string, nowMs: number): void {
  const known = health.get(name);
  if (known === undefined) return;
  health.set(name, { ...known, restsUntilMs: nowMs + settings.connectTimeoutMs });
}

/** An instance that has failed is asked often for a while, so that a restart is not noticed for as long as the health check rests. */
export function lookForThoseWhoFailed({ health, deps, prober }: Router): void {
  if (health.size === 0) return;
  const sinceMs = deps.clock.now() - awaitedForMs;
  for (const { failedAtMs } of health.values())
    if (failedAtMs > sinceMs) prober?.wake('an instance has failed');
}
