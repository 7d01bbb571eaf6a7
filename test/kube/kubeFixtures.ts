// What the tests of kube/ have in common: small objects, a client of a scripted server, a log that remembers.

import { createKubeClient, type KubeClient, type KubeClientOptions } from '../../src/kube/client.ts';
import type { LiveMeta, LiveObject } from '../../src/kube/kubeObject.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { Log } from '../../src/lib/log.ts';

/** A pod as the server returns it; its uid is `<name>-uid` unless told. */
export function pod(name: string, resourceVersion: number, metadata: Partial<LiveMeta> = {}): LiveObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: 'shop',
      name,
      uid: `${name}-uid`,
      resourceVersion: String(resourceVersion),
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...metadata,
    },
  };
}

/** A client of a scripted server, without credentials. */
export function clientOf(server: URL, options: Partial<KubeClientOptions> = {}): KubeClient {
  return createKubeClient({
    server,
    clock: systemClock,
    userAgent: 'replica-manager/0.0.0 (test)',
    credentials: { current: async () => ({ headers: {}, tls: {} }), forget() {} },
    ...options,
  });
}

/** A signal that nobody aborts. */
export const forever = (): AbortSignal => new AbortController().signal;

export interface RecordedLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly facts: object;
}

/** A log that keeps what it is told. */
export function recordingLog(): Log & { readonly lines: RecordedLine[] } {
  const lines: RecordedLine[] = [];
  const at = (level: RecordedLine['level']) => (facts: object, message: string) => {
    lines.push({ level, message, facts });
  };
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** Asks again and again until the answer is true. The test's own deadline is the bound. */
export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 2));
}
