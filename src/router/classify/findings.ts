// What has been found in a text so far. One finding is enough to leave the replicas, and a certain one stays
// even if a hint asks for a replica; what a statement leaves behind in its session adds up.

import { type Rule, type RuleName, rules } from './rules.ts';
import type { Pins, Verdict } from './verdict.ts';

export class Findings {
  #rule: RuleName | undefined;
  #position = 0;
  #readRule: RuleName = 'empty';
  #readPosition = 0;
  #pinsSession = false;
  #pinsTransaction = false;

  /** Whether a certain finding exists, after which only pins and denials matter. */
  get isCertain(): boolean {
    return this.#rule !== undefined && !isDoubt(this.#rule);
  }

  /** A reason against the replicas. The first certain one stays; a denial beats all. */
  note(rule: RuleName, position: number, pins: Pins = 'nothing'): void {
    this.pin(pins);
    const known = this.#rule;
    const isStronger =
      known === undefined ||
      (isDoubt(known) && !isDoubt(rule)) ||
      (rules[rule].route === 'denied' && rules[known].route !== 'denied');
    if (!isStronger) return;
    this.#rule = rule;
    this.#position = position;
  }

  /** What the text is if nothing speaks against it: the first statement says. */
  noteRead(rule: RuleName, position: number): void {
    if (this.#readRule !== 'empty') return;
    this.#readRule = rule;
    this.#readPosition = position;
  }

  pin(pins: Pins): void {
    if (pins === 'session') this.#pinsSession = true;
    else if (pins === 'transaction') this.#pinsTransaction = true;
  }

  /** COMMIT and ROLLBACK take away what lasts as long as the transaction. */
  endTransaction(): void {
    this.#pinsTransaction = false;
  }

  verdict(hint: 'primary' | 'replica' | undefined): Verdict {
    const found = this.#rule;
    const pins: Pins = this.#pinsSession ? 'session' : this.#pinsTransaction ? 'transaction' : 'nothing';
    if (found !== undefined && !(hint === 'replica' && isDoubt(found))) {
      return { route: rules[found].route, rule: found, position: this.#position, pins };
    }
    if (hint === 'primary') return { route: 'primary', rule: 'hint-primary', position: 0, pins };
    if (found !== undefined) return { route: 'replica', rule: 'hint-replica', position: 0, pins };
    return { route: 'replica', rule: this.#readRule, position: this.#readPosition, pins };
  }
}

function isDoubt(name: RuleName): boolean {
  const rule: Rule = rules[name];
  return rule.isDoubt === true;
}
