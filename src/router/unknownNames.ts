// A mistyped option must not be as if nothing had been said. In: what an application gave, and every name there is. Out: problems.

/** Every name of an interface, so that the compiler tells when one is missing. */
export type NamesOf<T> = { readonly [K in keyof Required<T>]: true };

/** One problem for each name that is set and that nobody reads. */
export function findUnknownNames(
  given: unknown,
  known: Readonly<Record<string, true>>,
  about: string,
): string[] {
  if (typeof given !== 'object' || given === null)
    return [`${about} must be an object, not ${String(given)}`];
  const unknown = Object.entries(given).filter(([name, value]) => value !== undefined && !(name in known));
  return unknown.map(([name]) => `${about} has no option ${name}, take it away or correct it`);
}
