// Passwords and certificates of a topology: what is there → what is missing → make it.
//
// Invariant: a password that exists is never replaced, because somebody may be using it. Certificates are replaced
// when two thirds of their life are over, or when they no longer say what they should. The authority's successor is
// trusted long before it signs anything that is in use, so that its renewal interrupts nobody.
import { databaseRoles, objectNames } from '../api/names.ts';
import type { ReplicatedPostgres } from '../api/replicatedPostgres.ts';
import type { CertificatePair, TopologyCredentials } from '../objects/topologyCredentials.ts';
import { certificateFacts, createAuthority, issueCertificate, splitCertificates } from './pki.ts';

const authorityLifetimeDays = 3652;
const leafLifetimeDays = 365;
/** Leaves four months to notice that renewal fails before a certificate expires. */
const renewAfter = 2 / 3;
/** 24 bytes are 32 characters of base64url, 192 bits. */
const passwordBytes = 24;

/** A Secret as it came from the API server. */
export interface ObservedSecret {
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
}

export type PasswordOf = 'superuserPassword' | 'poolerPassword' | 'applicationPassword';
export type LeafOf = 'instance' | 'operator' | 'pooler';

export type CredentialAction =
  | { readonly kind: 'makePassword'; readonly of: PasswordOf; readonly reason: string }
  | { readonly kind: 'makeAuthority'; readonly reason: string }
  | { readonly kind: 'issueCertificate'; readonly of: LeafOf; readonly reason: string };

export interface CredentialsPlan {
  /** Empty when everything is there. Reasons are for the log and hold no secret. */
  readonly actions: readonly CredentialAction[];
  /** What is kept as it is. */
  readonly kept: {
    readonly passwords: Partial<Readonly<Record<PasswordOf, string>>>;
    readonly authority: CertificatePair | undefined;
    /** Certificates of authorities that stay trusted, each PEM. */
    readonly trusted: readonly string[];
    readonly leaves: Partial<Readonly<Record<LeafOf, CertificatePair>>>;
  };
  /** When the first of the certificates that are kept is due, in milliseconds since 1970; null when none is kept. */
  readonly renewAtMs: number | null;
}

/**
 * Decides what has to be made. Actions that make certificates come behind the one that makes their authority.
 *
 * A Secret that is not among the observed counts as missing and its password is made anew, so the caller must have
 * seen all Secrets of the topology, and must create a missing one rather than overwrite one that has come since. What is
 * `remembered` of a missing one is kept instead: it is in use.
 */
export function planCredentials(
  observed: readonly ObservedSecret[],
  topology: ReplicatedPostgres,
  nowMs: number,
  remembered?: TopologyCredentials,
): CredentialsPlan {
  const names = objectNames(topology.metadata.name);
  const read =
    remembered === undefined ? fieldsOf(observed) : orRemembered(fieldsOf(observed), remembered, names);

  const passwords = (
    [
      ['superuserPassword', names.superuserSecret],
      ['poolerPassword', names.poolerSecret],
      ['applicationPassword', names.applicationSecret],
    ] as const
  ).map(([of, secret]) => ({ of, secret, password: read(secret, 'password') }));

  const authority = judgeAuthority(read, names.caSecret, nowMs);
  const leaves = leavesOf(topology).map((leaf) => judgeLeaf(read, leaf, authority.trusted, nowMs));
  const kept = leaves.flatMap((leaf) => (leaf.kind === 'kept' ? [leaf] : []));
  const dueTimes = [...kept, ...(authority.kind === 'kept' ? [authority] : [])].map((it) => it.renewAtMs);

  return {
    actions: [
      ...passwords
        .filter(({ password }) => password === undefined)
        .map(({ of, secret }) => ({
          kind: 'makePassword' as const,
          of,
          reason: `Secret ${secret} has no password`,
        })),
      ...(authority.kind === 'kept' ? [] : [{ kind: 'makeAuthority' as const, reason: authority.reason }]),
      ...leaves.flatMap((leaf) =>
        leaf.kind === 'kept' ? [] : [{ kind: 'issueCertificate' as const, of: leaf.of, reason: leaf.reason }],
      ),
    ],
    kept: {
      passwords: Object.fromEntries(
        passwords.flatMap(({ of, password }) => (password === undefined ? [] : [[of, password]])),
      ),
      authority: authority.kind === 'kept' ? authority.pair : undefined,
      trusted: authority.trusted,
      leaves: Object.fromEntries(kept.map(({ of, pair }) => [of, pair])),
    },
    renewAtMs: dueTimes.length === 0 ? null : Math.min(...dueTimes),
  };
}

export interface CredentialsDeps {
  readonly nowMs: number;
  /** Unpredictable bytes, as `crypto.randomBytes` gives them. */
  readonly randomBytes: (size: number) => Buffer;
}

/** Makes what the plan says is missing, and returns everything that the topology then has. */
export async function makeCredentials(
  plan: CredentialsPlan,
  topology: ReplicatedPostgres,
  { nowMs, randomBytes }: CredentialsDeps,
): Promise<TopologyCredentials> {
  const { kept } = plan;
  const password = (of: PasswordOf) => kept.passwords[of] ?? randomBytes(passwordBytes).toString('base64url');

  const authority =
    kept.authority ??
    (await createAuthority({
      name: `${topology.metadata.name} replica manager CA`,
      nowMs,
      lifetimeDays: authorityLifetimeDays,
    }));
  const trusted = [...new Set([...splitCertificates(authority.certificate), ...kept.trusted])];

  const requests = leavesOf(topology);
  const leaf = async (of: LeafOf): Promise<CertificatePair> => {
    const request = requests.find((it) => it.of === of);
    if (request === undefined) throw new Error(`no certificate is described for ${of}`);
    return (
      kept.leaves[of] ??
      (await issueCertificate(authority, { ...request, nowMs, lifetimeDays: leafLifetimeDays }))
    );
  };

  return {
    superuserPassword: password('superuserPassword'),
    poolerPassword: password('poolerPassword'),
    applicationPassword: password('applicationPassword'),
    authority: { ...authority, trusted: trusted.join('') },
    instance: await leaf('instance'),
    operator: await leaf('operator'),
    pooler: await leaf('pooler'),
  };
}

interface Leaf {
  readonly of: LeafOf;
  readonly secret: string;
  readonly commonName: string;
  readonly dnsNames: readonly string[];
  readonly usages: readonly ('server' | 'client')[];
}

/** The common name is the role that the certificate may log in as; the DNS names are where its holder is reached. */
function leavesOf(topology: ReplicatedPostgres): readonly Leaf[] {
  const { name, namespace } = topology.metadata;
  const names = objectNames(name);
  const forms = (service: string) => [
    `${service}.${namespace}.svc`,
    `${service}.${namespace}.svc.cluster.local`,
    `${service}.${namespace}`,
    service,
  ];
  // A wildcard needs two labels behind it, so the pods have no form without the namespace.
  const pods = forms(`*.${names.instancesService}`).slice(0, 3);
  return [
    {
      of: 'instance',
      secret: names.instanceTlsSecret,
      commonName: databaseRoles.replication,
      dnsNames: [...pods, ...forms(names.primaryService), ...forms(names.replicasService), 'localhost'],
      usages: ['server', 'client'],
    },
    {
      of: 'operator',
      secret: names.operatorTlsSecret,
      commonName: databaseRoles.monitor,
      dnsNames: [],
      usages: ['client'],
    },
    {
      of: 'pooler',
      secret: names.poolerTlsSecret,
      commonName: databaseRoles.pooler,
      dnsNames: [...forms(names.pooler('rw')), ...forms(names.pooler('ro')), 'localhost'],
      usages: ['server', 'client'],
    },
  ];
}

type Read = (secret: string, key: string) => string | undefined;

/** Reads a key of a Secret as text; undefined when it is missing or empty. */
function fieldsOf(observed: readonly ObservedSecret[]): Read {
  const byName = new Map(observed.map((secret) => [secret.metadata.name, secret.data ?? {}]));
  return (secret, key) => {
    const encoded = byName.get(secret)?.[key];
    return encoded === undefined || encoded === '' ? undefined : Buffer.from(encoded, 'base64').toString();
  };
}

/** Passwords and the authority where no Secret has them. An authority comes from one place or the other, never from both. */
function orRemembered(
  read: Read,
  { superuserPassword, poolerPassword, applicationPassword, authority }: TopologyCredentials,
  names: ReturnType<typeof objectNames>,
): Read {
  const passwords = new Map<string, string>([
    [names.superuserSecret, superuserPassword],
    [names.poolerSecret, poolerPassword],
    [names.applicationSecret, applicationPassword],
  ]);
  const pair = new Map<string, string>([
    ['tls.crt', authority.certificate],
    ['tls.key', authority.key],
    ['ca.crt', authority.trusted],
  ]);
  const hasAuthority =
    read(names.caSecret, 'tls.crt') !== undefined && read(names.caSecret, 'tls.key') !== undefined;
  return (secret, key) => {
    if (secret === names.caSecret && !hasAuthority) return pair.get(key);
    return read(secret, key) ?? (key === 'password' ? passwords.get(secret) : undefined);
  };
}

const dueAt = ({ notBefore, notAfter }: { readonly notBefore: number; readonly notAfter: number }): number =>
  notBefore + (notAfter - notBefore) * renewAfter;

type JudgedAuthority =
  | {
      readonly kind: 'kept';
      readonly pair: CertificatePair;
      readonly trusted: readonly string[];
      readonly renewAtMs: number;
    }
  | { readonly kind: 'due'; readonly reason: string; readonly trusted: readonly string[] };

/** One that cannot sign any more is trusted no more: whoever deletes it wants everything to be made again. */
function judgeAuthority(read: Read, secret: string, nowMs: number): JudgedAuthority {
  const certificate = read(secret, 'tls.crt');
  const key = read(secret, 'tls.key');
  if (certificate === undefined || key === undefined) {
    return { kind: 'due', reason: `Secret ${secret} has no authority`, trusted: [] };
  }
  const facts = certificateFacts(certificate);
  if (facts === undefined || !facts.hasKey(key)) {
    return { kind: 'due', reason: `certificate and key in Secret ${secret} do not match`, trusted: [] };
  }
  const trusted = [...new Set(splitCertificates(`${certificate}\n${read(secret, 'ca.crt') ?? ''}`))].filter(
    (it) => (certificateFacts(it)?.notAfter ?? 0) > nowMs,
  );
  return nowMs < dueAt(facts)
    ? { kind: 'kept', pair: { certificate, key }, trusted, renewAtMs: dueAt(facts) }
    : {
        kind: 'due',
        reason: `two thirds of the life of the authority in Secret ${secret} are over`,
        trusted,
      };
}

type JudgedLeaf =
  | {
      readonly kind: 'kept';
      readonly of: LeafOf;
      readonly pair: CertificatePair;
      readonly renewAtMs: number;
    }
  | { readonly kind: 'due'; readonly of: LeafOf; readonly reason: string };

function judgeLeaf(read: Read, leaf: Leaf, trusted: readonly string[], nowMs: number): JudgedLeaf {
  const due = (reason: string) => ({ kind: 'due', of: leaf.of, reason }) as const;
  const certificate = read(leaf.secret, 'tls.crt');
  const key = read(leaf.secret, 'tls.key');
  if (certificate === undefined || key === undefined) return due(`Secret ${leaf.secret} has no certificate`);
  const facts = certificateFacts(certificate);
  if (facts === undefined || !facts.hasKey(key)) {
    return due(`certificate and key in Secret ${leaf.secret} do not match`);
  }
  if (!trusted.some((authority) => facts.issuedBy(authority))) {
    return due(`the certificate in Secret ${leaf.secret} is not from an authority of the topology`);
  }
  if (facts.commonName !== leaf.commonName || !hasSameMembers(facts.dnsNames, leaf.dnsNames)) {
    return due(`the certificate in Secret ${leaf.secret} is for other names`);
  }
  return nowMs < dueAt(facts)
    ? { kind: 'kept', of: leaf.of, pair: { certificate, key }, renewAtMs: dueAt(facts) }
    : due(`two thirds of the life of the certificate in Secret ${leaf.secret} are over`);
}

const hasSameMembers = (a: readonly string[], b: readonly string[]): boolean =>
  a.toSorted().join('\n') === b.toSorted().join('\n');
