import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import { ownedBy } from './ownedBy.ts';
import { type CertificatePair, encoded } from './topologyCredentials.ts';

/** A certificate with its key, and in `ca.crt` whom its holder trusts. */
export function tlsSecret(
  topology: ReplicatedPostgres,
  name: string,
  pair: CertificatePair & { readonly trusted: string },
) {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: ownedBy(topology, name, 'access'),
    type: 'kubernetes.io/tls',
    data: encoded({ 'tls.crt': pair.certificate, 'tls.key': pair.key, 'ca.crt': pair.trusted }),
  };
}
