// Asks a server that has refused a write whether it is a standby.
//
// Invariant: one question at a time to each server, over a connection of its own. Those of the pool may all be held by clients that
// ask the same, and many writes are refused at once: with a connection for each the server would soon have none left.

import type { PrimaryEndpoint } from '../endpoints/endpointsDocument.ts';
import { askOnce } from './askOnce.ts';
import type { ConnectProbe } from './probeConnection.ts';
import { credentialsOf, type Topology } from './sources/topologySource.ts';

/** Longer than a server that answers takes to let one in. One that does not answer says nothing about its role. */
const standbyQuestionMs = 2_000;

const sql = 'SELECT pg_catalog.pg_is_in_recovery() AS is_standby';

export class StandbyQuestion {
  readonly #connect: ConnectProbe;
  readonly #closing: AbortSignal;
  /** Under way, by name of the instance. */
  readonly #asked = new Map<string, Promise<boolean>>();

  constructor(connect: ConnectProbe, closing: AbortSignal) {
    this.#connect = connect;
    this.#closing = closing;
  }

  /** False also when it does not answer: then the error of the statement says enough. */
  isStandby(endpoint: PrimaryEndpoint, topology: Topology): Promise<boolean> {
    const asked = this.#asked.get(endpoint.name);
    if (asked !== undefined) return asked;
    const question = this.#ask(endpoint, topology).finally(() => this.#asked.delete(endpoint.name));
    this.#asked.set(endpoint.name, question);
    return question;
  }

  async #ask(endpoint: PrimaryEndpoint, topology: Topology): Promise<boolean> {
    const signal = AbortSignal.any([this.#closing, AbortSignal.timeout(standbyQuestionMs)]);
    const target = { ...endpoint, credentials: credentialsOf(topology, endpoint.name) };
    try {
      const [row] = await askOnce(this.#connect, target, sql, signal);
      return row?.['is_standby'] === true;
    } catch {
      return false;
    }
  }
}
