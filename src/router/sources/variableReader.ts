// Reads single variables and collects everything that is wrong with them, so that all mistakes are told at once.
//
// Invariant: a value is quoted in a message only where it cannot be a secret.

import { parseDurationMs } from './duration.ts';
import type { VariableName } from './environmentVariables.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Longest delay that a timer of Node can hold, less a margin; a longer one would fire at once. */
const maxDelayMs = 2 ** 31 - 1 - 60_000;

export class VariableReader {
  readonly problems: string[] = [];
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** An empty variable counts as unset, as Kubernetes and Compose write it. */
  text(name: VariableName): string | undefined {
    return this.#environment[name] || undefined;
  }

  needed(name: VariableName, why: string): string {
    const value = this.text(name);
    if (value === undefined) this.problems.push(`${name} must be set ${why}`);
    return value ?? '';
  }

  oneOf<T extends string>(name: VariableName, values: readonly T[]): T | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const found = values.find((it) => it === value);
    if (found === undefined) this.problems.push(`${name} must be ${values.join(' or ')}, not "${value}"`);
    return found;
  }

  /** As Go reads it: 1, t, true, 0, f, false, in any case. */
  flag(name: VariableName): boolean | undefined {
    const value = this.text(name)?.toLowerCase();
    if (value === undefined) return undefined;
    if (['true', 't', '1'].includes(value)) return true;
    if (!['false', 'f', '0'].includes(value)) {
      this.problems.push(`${name} must be true or false, not "${value}"`);
    }
    return false;
  }

  count(name: VariableName, min: number, max: number): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = /^[0-9]{1,9}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= min && number <= max) return number;
    const range = max >= maxCount ? `a whole number from ${min} on` : `a whole number from ${min} to ${max}`;
    this.problems.push(`${name} must be ${range}, not "${value}"`);
    return undefined;
  }

  /** `60s`, `10m`, `1h30m`, `500ms`. */
  durationMs(name: VariableName): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const ms = parseDurationMs(value);
    if (ms !== undefined && ms >= 1 && ms <= maxDelayMs) return ms;
    const hint = /^[0-9]+$/.test(value) && value !== '0' ? `, write ${value}s or ${value}ms` : '';
    this.problems.push(
      `${name} must be a duration such as 500ms, 60s, 10m or 1h30m, up to 24 days, not "${value}"${hint}`,
    );
    return undefined;
  }

  /** A number of milliseconds, or a duration with its unit. */
  milliseconds(name: VariableName): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const ms = /^[0-9]{1,10}$/.test(value) ? Number(value) : parseDurationMs(value);
    if (ms !== undefined && ms >= 1 && ms <= maxDelayMs) return ms;
    this.problems.push(`${name} must be a number of milliseconds such as 30000, not "${value}"`);
    return undefined;
  }
}

/** No count goes beyond this in earnest. */
export const maxCount = 99_999;
