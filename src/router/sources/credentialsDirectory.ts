// Follows the mounted application Secret: `username`, `password`, `database`, `ca.crt`.
//
// Invariant: the four are of one version. They are read from the folder that the mount's `..data` points
// to, never one through the link before a swap and the next one after it.

import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../../lib/log.ts';
import { messageOf } from '../judgeFailure.ts';
import { fileVersion } from './fileVersion.ts';

/** How to log in to every instance of the topology. Never logged. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
  readonly database: string;
  /** Certificates (PEM) that the instances' certificates must lead to; undefined without TLS. */
  readonly ca?: string | undefined;
}

/** Where the login comes from. */
export interface CredentialsSource {
  readonly credentials: Credentials | undefined;
  /** Why what is there now was not taken; undefined when it was. */
  readonly problem: string | undefined;
  /** Looks again, and says whether the credentials are new ones. */
  refresh(): boolean;
}

/** A login that never changes. */
export function fixedCredentials(credentials: Credentials): CredentialsSource {
  return { credentials, problem: undefined, refresh: () => false };
}

export interface CredentialsOptions {
  /** Fixed ones, instead of a folder. */
  readonly credentials?: Credentials | undefined;
  /** The mounted Secret `<name>-app`. Default: /etc/replica-manager/credentials */
  readonly credentialsDir?: string | undefined;
  /** With `verify-full` (default) the folder must hold `ca.crt`. */
  readonly tls?: 'verify-full' | 'off' | undefined;
}

export const defaultCredentialsDir = '/etc/replica-manager/credentials';

export function credentialsFrom(options: CredentialsOptions, log: Log): CredentialsSource {
  const { credentials, credentialsDir = defaultCredentialsDir, tls } = options;
  if (credentials !== undefined) return fixedCredentials(credentials);
  return new CredentialsDirectory(credentialsDir, tls !== 'off', log);
}

export class CredentialsDirectory implements CredentialsSource {
  readonly path: string;
  readonly #log: Log;
  readonly #isCaNeeded: boolean;
  #version: string | undefined;
  #credentials: Credentials | undefined;
  #problem: string | undefined = 'has not been looked at yet';

  constructor(path: string, isCaNeeded: boolean, log: Log) {
    this.path = path;
    this.#isCaNeeded = isCaNeeded;
    this.#log = log;
  }

  get credentials(): Credentials | undefined {
    return this.#credentials;
  }

  /** Why what is in the folder now was not taken; undefined when it was. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Looks at the folder, reads it if it changed, and says whether the credentials are new ones. */
  refresh(): boolean {
    const folder = realFolder(this.path);
    const version = ['username', 'password', 'database', 'ca.crt']
      .map((name) => fileVersion(join(folder, name)) ?? '-')
      .join('\n');
    if (version === this.#version) return false;
    try {
      const found = this.#read(folder);
      this.#version = version;
      this.#problem = undefined;
      if (isSameLogin(found, this.#credentials)) return false;
      this.#credentials = found;
      return true;
    } catch (error) {
      this.#refuse(messageOf(error));
      return false;
    }
  }

  #read(folder: string): Credentials {
    const username = readLine(folder, 'username');
    const password = readLine(folder, 'password');
    const database = readLine(folder, 'database');
    if (!this.#isCaNeeded) return { username, password, database };
    return { username, password, database, ca: readLine(folder, 'ca.crt') };
  }

  #refuse(reason: string): void {
    if (reason === this.#problem) return;
    this.#problem = reason;
    this.#log.warn({ path: this.path, reason }, 'credentials refused');
  }
}

/** Where `..data` points to in a mount; the folder itself elsewhere. */
function realFolder(path: string): string {
  try {
    return realpathSync(join(path, '..data'));
  } catch {
    return path;
  }
}

/** People make Secrets with `echo`, and a line end is part of no user name, password or certificate. */
function readLine(folder: string, name: string): string {
  const text = readFileSync(join(folder, name), 'utf8').replace(/\r?\n$/, '');
  if (text === '') throw new Error(`${name} is empty`);
  return text;
}

/** Whether two logins are the same, so that connections made with one may stay with the other. */
export function isSameLogin(one: Credentials, other: Credentials | undefined): boolean {
  return (
    one.username === other?.username &&
    one.password === other.password &&
    one.database === other.database &&
    one.ca === other.ca
  );
}
