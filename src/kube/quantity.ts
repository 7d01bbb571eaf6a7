// Kubernetes quantities, exact: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/

const decimalExponents: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const binaryExponents: Readonly<Record<string, number>> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 };

const shape = /^([+-]?)([0-9]*)(?:\.([0-9]*))?(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?[0-9]{1,3}))?$/;

/** The value in billionths, the finest that Kubernetes keeps; `500m` and `0.5` are 500000000. Undefined for what is no quantity. */
export function parseNanos(quantity: string | number): bigint | undefined {
  const [, sign, whole = '', fraction = '', binary, decimal, exponent] = shape.exec(String(quantity)) ?? [];
  if (sign === undefined || whole + fraction === '') return undefined;
  const digits = BigInt(whole + fraction) * (sign === '-' ? -1n : 1n);
  const shift = binary === undefined ? 0 : (binaryExponents[binary] ?? 0);
  const power =
    9 -
    fraction.length +
    (exponent === undefined ? (decimalExponents[decimal ?? ''] ?? 0) : Number(exponent));
  const scaled = digits << BigInt(shift);
  // Finer than a billionth is rounded up, as the API server does.
  return power >= 0 ? scaled * 10n ** BigInt(power) : ceilDivide(scaled, 10n ** BigInt(-power));
}

function ceilDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value % by > 0n ? quotient + 1n : quotient;
}
