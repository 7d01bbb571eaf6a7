// Brings the mounted document and credentials together and follows both.
//
// Invariant: `onChange` sees complete topologies only, each newer than the one before, and has returned
// before any statement is routed by them.

import type { Clock } from '../lib/clock.ts';
import { messageOf } from './judgeFailure.ts';
import { RouterError } from './routerError.ts';
import type { RouterSettings } from './routerOptions.ts';
import { CredentialsDirectory } from './sources/credentialsDirectory.ts';
import { EndpointsFile } from './sources/endpointsFile.ts';
import type { Topology } from './sources/topologySource.ts';

export type { Topology } from './sources/topologySource.ts';

/** A look costs microseconds, and a mount is late by a minute anyway: more often would gain nothing. */
const lookEveryMs = 1_000;

export class TopologySource {
  readonly #settings: RouterSettings;
  readonly #onChange: (topology: Topology) => void;
  readonly #endpoints: EndpointsFile;
  readonly #credentials: CredentialsDirectory | undefined;
  readonly #first = Promise.withResolvers<void>();
  #topology: Topology | undefined;

  constructor(settings: RouterSettings, onChange: (topology: Topology) => void) {
    this.#settings = settings;
    this.#onChange = onChange;
    this.#endpoints = new EndpointsFile(settings.endpointsFile, settings.log);
    if (settings.credentials === undefined) {
      const isCaNeeded = settings.tls === 'verify-full';
      this.#credentials = new CredentialsDirectory(settings.credentialsDir, isCaNeeded, settings.log);
    }
  }

  /** The topology in use; undefined until the first complete one. */
  get topology(): Topology | undefined {
    return this.#topology;
  }

  /** Why what is mounted now is not in use; empty when it is. */
  get problems(): readonly string[] {
    const { path, refusal } = this.#endpoints;
    const problem = this.#credentials?.problem;
    return [
      ...(refusal === undefined ? [] : [`${path}: ${refusal}`]),
      ...(problem === undefined ? [] : [`${this.#credentials?.path}: ${problem}`]),
    ];
  }

  /** Looks at the mounts once. */
  refresh(): void {
    const isDocumentNew = this.#endpoints.refresh();
    const areCredentialsNew = this.#credentials?.refresh() ?? false;
    const { document } = this.#endpoints;
    const credentials = this.#settings.credentials ?? this.#credentials?.credentials;
    if (document === undefined || credentials === undefined) return;
    if (!isDocumentNew && !areCredentialsNew && this.#topology !== undefined) return;
    this.#topology = { document, credentials };
    this.#onChange(this.#topology);
    this.#first.resolve();
  }

  /** Looks again and again until the signal is aborted. Never rejects. */
  async follow(clock: Clock, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        this.refresh();
      } catch (error) {
        this.#settings.log.error({ reason: messageOf(error) }, 'could not follow the endpoints');
      }
      await clock.sleep(lookEveryMs, signal).catch(() => {});
    }
  }

  /** Resolves once there is a topology, and rejects when there is none in the time that the settings allow. */
  async ready(clock: Clock, signal: AbortSignal): Promise<void> {
    if (this.#topology === undefined) await this.#waitForFirst(clock, signal);
    if (this.#topology === undefined) throw this.#absence();
  }

  async #waitForFirst(clock: Clock, signal: AbortSignal): Promise<void> {
    const waited = new AbortController();
    const deadline = clock.sleep(
      this.#settings.firstDocumentTimeoutMs,
      AbortSignal.any([signal, waited.signal]),
    );
    try {
      await Promise.race([this.#first.promise, deadline]);
    } finally {
      waited.abort();
      deadline.catch(() => {});
    }
  }

  #absence(): RouterError {
    const waited = `after ${this.#settings.firstDocumentTimeoutMs} ms`;
    const problems = this.problems.join('; ');
    if (this.#endpoints.document === undefined) {
      return this.#endpoints.isPresent
        ? new RouterError('RPG_ENDPOINTS_INVALID', `no valid endpoints document ${waited}: ${problems}`)
        : new RouterError(
            'RPG_NO_ENDPOINTS',
            `no endpoints document ${waited}, mount the ConfigMap: ${problems}`,
          );
    }
    return new RouterError('RPG_NO_CREDENTIALS', `no credentials ${waited}, mount the Secret: ${problems}`);
  }
}
