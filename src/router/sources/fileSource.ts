// The endpoints document and the login as mounted from a ConfigMap and a Secret, or written by anything else that replaces files.

import type { Clock } from '../../lib/clock.ts';
import { type Log, silentLog } from '../../lib/log.ts';
import { messageOf } from '../judgeFailure.ts';
import { type CredentialsOptions, type CredentialsSource, credentialsFrom } from './credentialsDirectory.ts';
import { EndpointsFile } from './endpointsFile.ts';
import { lookEveryMs, TopologyJoin } from './topologyJoin.ts';
import type { MissingPart, Topology, TopologySource } from './topologySource.ts';

export interface FileSourceOptions {
  /** Path of `endpoints.json`. */
  readonly path: string;
  readonly credentials: CredentialsSource;
  readonly log: Log;
}

/** As `FileSource`, with the mounts of a pod as defaults. */
export function fileSource(
  options: CredentialsOptions & { readonly path?: string | undefined; readonly log?: Log | undefined } = {},
): TopologySource {
  const { path = '/etc/replica-manager/endpoints/endpoints.json', log = silentLog } = options;
  return new FileSource({ path, credentials: credentialsFrom(options, log), log });
}

export class FileSource implements TopologySource {
  readonly origin: string;
  readonly #endpoints: EndpointsFile;
  readonly #credentials: CredentialsSource;
  readonly #join: TopologyJoin;
  readonly #log: Log;
  #confirmedAtMs: number | undefined;

  constructor({ path, credentials, log }: FileSourceOptions) {
    this.origin = `file ${path}`;
    const endpoints = new EndpointsFile(path, log);
    this.#endpoints = endpoints;
    this.#credentials = credentials;
    this.#log = log;
    const known = {
      get document() {
        return endpoints.document;
      },
      get refusal() {
        return endpoints.refusal;
      },
      get isFound() {
        return endpoints.isPresent;
      },
    };
    this.#join = new TopologyJoin(path, known, credentials, log);
  }

  get topology(): Topology | undefined {
    return this.#join.topology;
  }

  get problems(): readonly string[] {
    return this.#join.problems;
  }

  get missing(): MissingPart | undefined {
    return this.#join.missing;
  }

  get confirmedAtMs(): number | undefined {
    return this.#confirmedAtMs;
  }

  async follow(onChange: (topology: Topology) => void, clock: Clock, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.#look(clock);
    this.#join.listen(onChange);
    while (!signal.aborted) {
      await clock.sleep(lookEveryMs, signal).catch(() => {});
      if (!signal.aborted) this.#look(clock);
    }
  }

  #look(clock: Clock): void {
    try {
      this.#endpoints.refresh();
      this.#credentials.refresh();
      if (this.#endpoints.refusal === undefined) this.#confirmedAtMs = clock.now();
      this.#join.update();
    } catch (error) {
      this.#log.error({ origin: this.origin, reason: messageOf(error) }, 'could not follow the endpoints');
    }
  }
}
