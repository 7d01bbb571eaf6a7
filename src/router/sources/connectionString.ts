// `READ_REPLICA_CONNECTION_STRING`: one or more PostgreSQL connection URLs in, addresses and logins out.
//
// Invariant: no message holds any part of a connection string but the name of a parameter, because the rest may be a password.

import type { Credentials } from './credentialsDirectory.ts';

export interface ParsedConnection {
  readonly host: string;
  readonly port: number;
  readonly credentials: Credentials;
  /** As `sslmode` says; undefined when it says nothing. */
  readonly sslmode: string | undefined;
}

export type Parsed<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'wrong'; readonly mend: string };

/**
 * Splits at white space and at commas, but only where the next URL begins: a password may hold a comma.
 */
export function splitConnectionStrings(text: string): string[] {
  return text
    .trim()
    .split(/[\s,]+(?=postgres(?:ql)?:\/\/)/i)
    .filter((it) => it !== '');
}

const shape = 'postgresql://user:password@host:port/database';

export function parseConnectionString(text: string): Parsed<ParsedConnection> {
  if (!/^postgres(ql)?:\/\//i.test(text)) return wrong(`must look like ${shape}`);
  if (/\s/.test(text)) return wrong('must not hold white space, write %20 for a space in a password');
  if (hostPart(text).includes(',')) {
    return wrong('names several hosts, write one connection string for each replica, separated by commas');
  }
  let url: URL;
  try {
    // The scheme of the web, because WHATWG URLs parse host and port only for those.
    url = new URL(text.replace(/^postgres(ql)?:/i, 'http:'));
  } catch {
    return wrong(`must look like ${shape}, with special characters of the password percent-encoded`);
  }
  return readUrl(url, portOf(text));
}

/** The URL parser drops the port 80, which is the default of the scheme that it was told. */
function portOf(text: string): number {
  const port = /:([0-9]+)$/.exec(hostPart(text))?.[1];
  return port === undefined ? 5432 : Number(port);
}

/** `host:port`, without what stands before it. */
function hostPart(text: string): string {
  const authority = /^[^:]+:\/\/([^/?#]*)/.exec(text)?.[1] ?? '';
  return authority.slice(authority.lastIndexOf('@') + 1);
}

function readUrl(url: URL, port: number): Parsed<ParsedConnection> {
  const [username, password, database] = [url.username, url.password, url.pathname.slice(1)].map(decode);
  if (username === undefined || password === undefined || database === undefined) {
    return wrong('holds a % that begins no percent-encoded character, write %25 for it');
  }
  if (username === '') return wrong(`lacks the user, it must look like ${shape}`);
  if (database === '' || database.includes('/'))
    return wrong(`lacks the database, it must look like ${shape}`);
  for (const name of url.searchParams.keys()) {
    if (name !== 'sslmode') {
      return wrong(`has the parameter ${name.slice(0, 40)}, which is not supported: remove it`);
    }
  }
  return {
    kind: 'ok',
    value: {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port,
      credentials: { username, password, database },
      sslmode: url.searchParams.get('sslmode') ?? undefined,
    },
  };
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function wrong(mend: string): { readonly kind: 'wrong'; readonly mend: string } {
  return { kind: 'wrong', mend };
}
