import type { Answer, Callback } from './statement.ts';

/** Tells a callback, or gives the promise. What a callback throws is not the promise's to catch: it ends the process, as with `pg`. */
export function deliver(
  answer: Promise<Answer>,
  callback: Callback | undefined,
): Promise<Answer> | undefined {
  if (callback === undefined) return answer;
  answer.then(
    (result) => process.nextTick(callback, undefined, result),
    (error: Error) => process.nextTick(callback, error),
  );
  return undefined;
}
