// What the catalog of the router's database says of functions and views, for its classifier.

import type { Query } from '../postgres/query.ts';
import { askOnce } from './askOnce.ts';
import { followCatalog } from './classify/followCatalog.ts';
import type { ConnectProbe } from './probeConnection.ts';
import type { Router } from './router.ts';
import { credentialsOf } from './sources/topologySource.ts';

/** A catalog of ten thousand functions is read in well under a second. */
const questionMs = 30_000;

/** Lasts until the router is ended, and never rejects. */
export function readRouterCatalog(router: Router, connect: ConnectProbe): Promise<void> {
  const { classifier, settings, deps, closing } = router;
  /** A replica says the same as the primary, which has more to do. */
  const query: Query = async (sql) => {
    await router.ready();
    const { primary, replicas } = router.current();
    const endpoint = replicas.find(({ routable }) => routable) ?? primary;
    const { topology } = router.view;
    if (endpoint === null || topology === undefined) throw new Error('there is no instance to ask');
    const target = { ...endpoint, credentials: credentialsOf(topology, endpoint.name) };
    const signal = AbortSignal.any([closing, AbortSignal.timeout(questionMs)]);
    return { rows: await askOnce(connect, target, sql, signal) };
  };
  return followCatalog(
    { classifier, query, clock: deps.backgroundClock, log: settings.log, settings: settings.classification },
    closing,
  );
}
