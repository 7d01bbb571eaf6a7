// Keeps what a classifier knows of the catalog of its database fresh: asked at once, and again every so often.
//
// Invariant: what cannot be read changes nothing. The last answer stays in use, because definitions change less
// often than servers are away, and without any answer the text alone decides.

import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { Query } from '../../postgres/query.ts';
import { messageOf } from '../judgeFailure.ts';
import type { Classifier } from './classifier.ts';
import type { ClassifySettings } from './classifySettings.ts';
import { readCatalog } from './readCatalog.ts';

/** Three small statements; new functions run on the primary until they are known, so minutes are soon enough. */
const defaultRefreshMs = 300_000;

export interface CatalogDeps {
  readonly classifier: Classifier;
  /** Asks a server of the database, whichever is there; rejects when none is. */
  readonly query: Query;
  /** What the team says itself, which views may use. */
  readonly settings: ClassifySettings;
  readonly refreshMs?: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Runs until the signal is aborted, and never rejects. */
export async function followCatalog(deps: CatalogDeps, signal: AbortSignal): Promise<void> {
  let inUse = '';
  while (!signal.aborted) {
    inUse = await refresh(deps, inUse);
    try {
      await deps.clock.sleep(deps.refreshMs ?? defaultRefreshMs, signal);
    } catch {
      return;
    }
  }
}

/** Gives the answer as text. An equal one is not taken again, because taking it empties the cache of verdicts. */
async function refresh({ classifier, query, settings, log }: CatalogDeps, inUse: string): Promise<string> {
  try {
    const catalog = await readCatalog(query, settings);
    const found = JSON.stringify(catalog);
    if (found === inUse) return inUse;
    classifier.useCatalog(catalog);
    const counts = {
      functions: catalog.allowFunctions?.length ?? 0,
      relations: catalog.primaryRelations?.length ?? 0,
    };
    log.info(counts, 'took what the catalog says of functions and views');
    return found;
  } catch (error) {
    log.warn({ reason: messageOf(error) }, 'could not read the catalog, what was known of it stays in use');
    return inUse;
  }
}
