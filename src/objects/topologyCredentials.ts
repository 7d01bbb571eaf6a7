// Everything secret that a topology has, as values. The operator makes it once and reads it back from the Secrets.

/** A certificate and its key, PEM. */
export interface CertificatePair {
  readonly certificate: string;
  readonly key: string;
}

export interface TopologyCredentials {
  readonly superuserPassword: string;
  readonly poolerPassword: string;
  readonly applicationPassword: string;
  readonly authority: CertificatePair & {
    /** Certificates that everybody trusts, PEM: this authority's, and its predecessor's while that is valid. */
    readonly trusted: string;
  };
  readonly instance: CertificatePair;
  readonly operator: CertificatePair;
  readonly pooler: CertificatePair;
}

/** Keys of a Secret are base64 on the wire. `stringData` is not used: server-side apply never removes what it set. */
export const encoded = (fields: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
  );
