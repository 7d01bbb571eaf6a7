// What the operator's functions are handed. One place, so that a test can hand in another world.

import type { KubeClient } from '../kube/client.ts';
import type { EventRecorder } from '../kube/eventRecorder.ts';
import type { WorkQueue } from '../kube/workQueue.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';

import type { Memory } from './memory.ts';
import type { NodeZones } from './nodeZones.ts';
import type { Probes } from './probes.ts';
import type { Watches } from './watches.ts';

export interface Images {
  /** The image that this operator runs from: init containers copy the agent out of it. */
  readonly operator: string;
  readonly pooler: string;
}

export interface Deps {
  readonly client: KubeClient;
  readonly watches: Watches;
  readonly probes: Probes;
  readonly zones: NodeZones;
  readonly memory: Memory;
  readonly events: Pick<EventRecorder, 'record'>;
  readonly queue: WorkQueue;
  readonly images: Images;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** Unpredictable bytes. */
  readonly randomBytes: (size: number) => Buffer;
  readonly log: Log;
}
