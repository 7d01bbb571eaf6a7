/**
 * Which of two resourceVersions is older: negative when `left` is, 0 when they are equal.
 *
 * Undefined when they cannot be compared. Since Kubernetes 1.35 they are promised to be decimal numbers of any
 * length within one resource; older servers have always behaved so, other servers may not.
 */
export function compareResourceVersions(left: string, right: string): number | undefined {
  if (left === right) return 0;
  if (!decimal.test(left) || !decimal.test(right)) return undefined;
  if (left.length !== right.length) return left.length - right.length;
  return left < right ? -1 : 1;
}

const decimal = /^[1-9][0-9]*$/;

/** The later of two; the one that arrived last when they cannot be compared. */
export function laterResourceVersion(known: string, arrived: string): string {
  return (compareResourceVersions(known, arrived) ?? -1) > 0 ? known : arrived;
}
