/** A broken promise of our own code, never a failure of the world around it. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Throws when something that must always hold does not. The message names what was expected. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}
