import type { Clock } from '../lib/clock.ts';
import type { Credentials } from './transport.ts';

/** The kubelet replaces a projected token long before it expires, so a minute is soon enough to see the new one. */
const maxAgeMs = 60_000;

/**
 * Loads credentials at most once a minute, or at once after `forget`.
 *
 * When loading fails, the last ones that worked are used on: a file that is being replaced must not stop a
 * primary from renewing its Lease. The first load has nothing to fall back to and throws.
 */
export function cachedCredentials(
  load: () => Promise<Credentials>,
  clock: Clock,
): { current(): Promise<Credentials>; forget(): void } {
  let last: Credentials | undefined;
  let loadedAt = -Infinity;
  let loading: Promise<Credentials> | undefined;

  async function loadOnce(): Promise<Credentials> {
    try {
      last = await load();
    } catch (error) {
      if (last === undefined) {
        const text = error instanceof Error ? error.message : String(error);
        throw new Error(`credentials for the API server cannot be read: ${text}`, { cause: error });
      }
    } finally {
      loading = undefined;
    }
    loadedAt = clock.now();
    return last;
  }

  return {
    async current() {
      if (last !== undefined && clock.now() - loadedAt < maxAgeMs) return last;
      loading ??= loadOnce();
      return loading;
    },
    forget() {
      loadedAt = -Infinity;
    },
  };
}
