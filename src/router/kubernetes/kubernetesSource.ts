// `replica-manager/kubernetes`: the endpoints document by a watch of its ConfigMap, milliseconds after it was published.
//
// Needs no Kubernetes package, only a service account that may `get` and `watch` the one ConfigMap `<name>-endpoints`.
//
// Invariant: every connection begins by reading the ConfigMap and watches from that version on, so that nothing is missed however
// the connection before it ended: in order, by a reset, by silence, or because the version had expired (410). It is ended
// after a few minutes even if all seems well.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { endpointsKey } from '../../endpoints/endpointsDocument.ts';
import { type Clock, systemRandom } from '../../lib/clock.ts';
import { type Log, silentLog } from '../../lib/log.ts';
import { type CredentialsOptions, credentialsFrom } from '../sources/credentialsDirectory.ts';
import { ConnectAgain, FollowedDocument, type Told } from '../sources/followedDocument.ts';
import { httpLines, httpText, UnexpectedStatus } from '../sources/httpLines.ts';
import type { TopologySource } from '../sources/topologySource.ts';
import { readApiServer } from './kubernetesEnvironment.ts';

export type { TopologySource } from '../sources/topologySource.ts';

export interface KubernetesSourceOptions extends CredentialsOptions {
  /** Name of the ReplicatedPostgres. */
  readonly name: string;
  /** Default: that of the pod */
  readonly namespace?: string | undefined;
  /** Default: as the kubelet tells every container */
  readonly apiServer?: URL | undefined;
  /** Folder with `token`, `ca.crt` and `namespace`. Default: where the kubelet mounts it */
  readonly serviceAccountDir?: string | undefined;
  readonly log?: Log | undefined;
  /** A number in [0, 1). */
  readonly random?: (() => number) | undefined;
  /** Default: 100 s, because bookmarks come about once a minute */
  readonly maxSilentMs?: number | undefined;
}

const mountedServiceAccountDir = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The ConfigMap is read again after 5 to 10 minutes, at random, so that not all processes come back at once. */
const minWatchSeconds = 300;

/** Longest wait for the answer to a read. */
const readTimeoutMs = 10_000;

/** @throws RouterError `RPG_CONFIG_INVALID` outside a pod, when `apiServer` is left out */
export function kubernetesSource(options: KubernetesSourceOptions): TopologySource {
  const { log = silentLog, random = systemRandom } = options;
  const watch = new EndpointsWatch(options, options.apiServer ?? readApiServer(), random);
  return new FollowedDocument({
    origin: `kubernetes ${options.namespace === undefined ? '' : `${options.namespace}/`}${options.name}`,
    credentials: credentialsFrom(options, log),
    log,
    random,
    connect: (clock, signal) => watch.connect(clock, signal),
  });
}

class EndpointsWatch {
  readonly #options: KubernetesSourceOptions;
  readonly #apiServer: URL;
  readonly #random: () => number;

  constructor(options: KubernetesSourceOptions, apiServer: URL, random: () => number) {
    this.#options = options;
    this.#apiServer = apiServer;
    this.#random = random;
  }

  async *connect(clock: Clock, signal: AbortSignal): AsyncGenerator<Told> {
    const read = await this.#read(signal);
    yield read.told;
    const seconds = Math.floor(minWatchSeconds * (1 + this.#random()));
    const watching = new AbortController();
    // The server is asked to end the watch in time; one that does not is left.
    const tooLong = clock.sleep(seconds * 1_000 + readTimeoutMs, watching.signal).then(
      () => watching.abort(new ConnectAgain('the watch was open for long enough')),
      () => {},
    );
    try {
      yield* this.#watch(read.resourceVersion, seconds, AbortSignal.any([signal, watching.signal]));
    } catch (error) {
      throw watching.signal.aborted ? watching.signal.reason : error;
    } finally {
      watching.abort();
      await tooLong;
    }
    throw new ConnectAgain('the server ended the watch');
  }

  async #read(signal: AbortSignal): Promise<{ readonly told: Told; readonly resourceVersion: string }> {
    const account = await this.#account();
    const url = this.#url(account.namespace, `/${this.#configMap}`);
    try {
      const text = await httpText({ url, ...account.request, maxSilentMs: readTimeoutMs }, signal);
      return readConfigMap(JSON.parse(text));
    } catch (error) {
      throw explain(error, `${account.namespace}/${this.#configMap}`);
    }
  }

  async *#watch(resourceVersion: string, seconds: number, signal: AbortSignal): AsyncGenerator<Told> {
    const { maxSilentMs = 100_000 } = this.#options;
    const account = await this.#account();
    const url = this.#url(account.namespace, '', {
      watch: 'true',
      fieldSelector: `metadata.name=${this.#configMap}`,
      resourceVersion,
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(seconds),
    });
    try {
      for await (const line of httpLines({ url, ...account.request, maxSilentMs }, signal)) {
        if (line !== '') yield readFrame(JSON.parse(line));
      }
    } catch (error) {
      throw explain(error, `${account.namespace}/${this.#configMap}`);
    }
  }

  get #configMap(): string {
    return `${this.#options.name}-endpoints`;
  }

  #url(namespace: string, rest: string, query: Readonly<Record<string, string>> = {}): URL {
    const url = new URL(
      `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps${rest}`,
      this.#apiServer,
    );
    url.search = new URLSearchParams(query).toString();
    return url;
  }

  /** Read anew for each request: the kubelet replaces the token every hour. */
  async #account() {
    const { serviceAccountDir: dir = mountedServiceAccountDir } = this.#options;
    const read = async (name: string) => (await readFile(join(dir, name), 'utf8')).trim();
    const [token, ca] = await Promise.all([
      read('token'),
      this.#apiServer.protocol === 'https:' ? read('ca.crt') : undefined,
    ]);
    const namespace = this.#options.namespace ?? (await read('namespace'));
    const headers = { authorization: `Bearer ${token}`, accept: 'application/json' };
    return { namespace, request: { headers, ca } };
  }
}

interface ConfigMap {
  readonly metadata?: { readonly resourceVersion?: string };
  readonly data?: Readonly<Record<string, string>>;
}

function readConfigMap({ metadata, data }: ConfigMap): {
  readonly told: Told;
  readonly resourceVersion: string;
} {
  const text = data?.[endpointsKey];
  const told: Told =
    text === undefined
      ? { kind: 'nothing', reason: `the ConfigMap holds no ${endpointsKey}` }
      : { kind: 'document', text };
  return { told, resourceVersion: metadata?.resourceVersion ?? '' };
}

interface Frame {
  readonly type?: string;
  readonly object?: ConfigMap & { readonly code?: number; readonly message?: string };
}

/** @throws ConnectAgain when the version has expired; Error what else the server reports */
function readFrame({ type, object }: Frame): Told {
  if (type === 'ADDED' || type === 'MODIFIED') return readConfigMap(object ?? {}).told;
  if (type === 'DELETED') return { kind: 'nothing', reason: 'the ConfigMap has been deleted' };
  if (type === 'BOOKMARK') return { kind: 'unchanged' };
  if (type !== 'ERROR') throw new Error('the watch sent something that is no event');
  if (object?.code === 410) throw new ConnectAgain('the watched version has expired');
  throw new Error(`the watch reported ${object?.code}: ${object?.message}`);
}

function explain(error: unknown, configMap: string): unknown {
  if (!(error instanceof UnexpectedStatus)) return error;
  switch (error.status) {
    case 401:
      return new Error('the API server does not accept the token of the service account', { cause: error });
    case 403:
      return new Error(`the service account may not get and watch the ConfigMap ${configMap}, grant both`, {
        cause: error,
      });
    case 404:
      return new Error(`there is no ConfigMap ${configMap}`, { cause: error });
    case 410:
      return new ConnectAgain('the watched version has expired');
    default:
      return error;
  }
}
