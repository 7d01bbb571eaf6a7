import { annotations } from '../api/names.ts';
import type { Lease } from '../kube/resources.ts';
import type { LeaseFacts } from '../plan/observed.ts';
import { type Lsn, parseLsn } from '../postgres/lsn.ts';
import type { LeaseRenewal } from './topologyProbes.ts';

/** What the primary Lease says, for decisions. */
export function readLeaseFacts(lease: Lease): LeaseFacts {
  const holder = lease.spec?.holderIdentity;
  const timeline = Number(lease.metadata.annotations?.[annotations.timeline]);
  return {
    holder: holder === '' ? undefined : holder,
    epoch: lease.spec?.leaseTransitions ?? 0,
    systemIdentifier: lease.metadata.annotations?.[annotations.systemIdentifier],
    timeline: Number.isInteger(timeline) && timeline > 0 ? timeline : undefined,
  };
}

/** What the holder wrote with its last renewal. Not a part of the facts, because nothing is decided again with each. */
export function readRenewal(lease: Lease): LeaseRenewal {
  return { renewTime: lease.spec?.renewTime, walPosition: readWalPosition(lease) };
}

/** Undefined when there is none that can be read. */
function readWalPosition(lease: Lease): Lsn | undefined {
  try {
    return parseLsn(lease.metadata.annotations?.[annotations.walPosition] ?? '');
  } catch {
    return undefined;
  }
}
