// Rules that a schema alone cannot state. Each is written twice, side by side: in CEL for the API server,
// and as a predicate for zod, so that the operator refuses on reading what the API server refuses on
// writing. test/api/badInputs.test.ts and test/system/apiRejects.test.ts hold both to the same table.
import type { z } from 'zod';

export interface Rule<T> {
  /** CEL; `self` is the value. A rule that mentions `oldSelf` is checked on updates only. */
  readonly rule: string;
  /** Says what to do, because it is all that a person sees. */
  readonly message: string;
  /** The same rule for zod. Rules about changes have none: there is no old value on reading. */
  readonly holds?: (value: T) => boolean;
}

/** A copy of the schema that keeps the rules, after those that it has already. */
export function withRules<S extends z.ZodType>(schema: S, ...rules: readonly Rule<z.output<S>>[]): S {
  const earlier = schema.meta()?.['x-kubernetes-validations'];
  let checked: z.ZodType = schema;
  for (const { holds, message } of rules) {
    if (holds !== undefined) checked = checked.refine((value) => holds(value as z.output<S>), message);
  }
  const stated = rules.map(({ rule, message }) => ({ rule, message }));
  const all = [...(Array.isArray(earlier) ? earlier : []), ...stated];
  return checked.meta({ 'x-kubernetes-validations': all }) as S;
}

/**
 * The whole text has this shape. Used instead of the schema's `pattern`, whose message shows a regular
 * expression and leaves a person to guess what to write.
 */
export function shaped(pattern: string, message: string): Rule<string> {
  const expression = new RegExp(pattern);
  return {
    rule: `self.matches(${celString(pattern)})`,
    message,
    holds: (value) => expression.test(value),
  };
}

/** For a value that has a default or is required. What is optional may still come and go: forbid that on its parent. */
export const immutable = (what: string, instead: string): Rule<unknown> => ({
  rule: 'self == oldSelf',
  message: `${what} cannot be changed, ${instead}`,
});

/** A text as a CEL literal. */
export const celString = (text: string): string =>
  `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
