// What every pod and container of a topology gives up. It satisfies the Pod Security Standard `restricted`.

/** The user `postgres` of the official Debian images; poolers run as it too, so that one group reads the Secrets. */
const runAs = 999;

export const podSecurityContext = {
  runAsUser: runAs,
  runAsGroup: runAs,
  runAsNonRoot: true,
  fsGroup: runAs,
  // Changing the owner of every file of a large volume at each start would take minutes.
  fsGroupChangePolicy: 'OnRootMismatch',
  seccompProfile: { type: 'RuntimeDefault' },
} as const;

export const containerSecurityContext = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
} as const;

/** Owner and group may read: PostgreSQL refuses a key that belongs to root and lets others read it. */
export const secretFileMode = 0o440;
