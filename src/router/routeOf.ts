// Where one statement is sent: its verdict, and what the caller asked for.

import { type Rule, type RuleName, rules } from './classify/rules.ts';
import type { Verdict } from './classify/verdict.ts';
import type { Statement } from './statement.ts';

/** A wish for a replica never overrides a write that was found in the text, only a doubt. */
export function routeOf(
  statement: Statement,
  verdict: Verdict,
  route: 'primary' | 'replica',
): 'primary' | 'replica' {
  if (statement.route === 'primary' || route === 'replica') return statement.route ?? route;
  const rule: Rule = rules[verdict.rule as RuleName];
  return statement.route === 'replica' && rule.isDoubt === true ? 'replica' : 'primary';
}
