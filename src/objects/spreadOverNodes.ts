/** Prefers different nodes for pods with these labels. A preference, because a small cluster must work as well. */
export function spreadOverNodes(matchLabels: Readonly<Record<string, string>>) {
  return {
    podAntiAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        {
          weight: 100,
          podAffinityTerm: { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels } },
        },
      ],
    },
  };
}
