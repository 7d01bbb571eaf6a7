import { AssertionError } from './assert.ts';

/** Closes a `switch` over a union: a missing case does not compile, and a value from outside throws. */
export function exhaustive(value: never): never {
  throw new AssertionError(`unexpected case: ${JSON.stringify(value)}`);
}
