// Kubernetes quantities for storage sizes: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/

const multipliers: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
};

/** The shape of a size in bytes, as the schema states it. RE2, so that the API server can check it too. */
export const bytesPattern = '^[0-9]+(\\.[0-9]+)?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$';

/** `16Mi` → 16777216. Throws on anything that is not a size in bytes. */
export function parseBytes(quantity: string | number): number {
  if (typeof quantity === 'number') return quantity;
  const match = /^([0-9]+(?:\.[0-9]+)?)(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$/.exec(quantity);
  const multiplier = multipliers[match?.[2] ?? ''];
  if (match?.[1] === undefined || multiplier === undefined) {
    throw new Error(`"${quantity}" is not a size in bytes, write for example 512Mi or 10Gi`);
  }
  return Math.floor(Number(match[1]) * multiplier);
}
