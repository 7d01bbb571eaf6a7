// Processes that read and write a simulated topology through the planner, and a judge of what their reads have shown.
//
// Two processes, each with its own probes and several scopes. A scope that ends hands its token to a new one, in either process.

import type { Lsn } from '../../../src/postgres/lsn.ts';
import type { ReadChoice } from '../../../src/router/balance/planRead.ts';
import {
  ReadPlanner,
  type ReadPlannerDeps,
  type Request,
  readDefaults,
} from '../../../src/router/balance/readPlanner.ts';
import type { Consistency } from '../../../src/router/consistency/consistency.ts';
import { currentScope, type ReadScope, runInScope } from '../../../src/router/consistency/readScope.ts';
import type { Observation } from '../../../src/router/observation.ts';
import { endpointsDocument, primaryEndpoint, replicaEndpoint } from '../../fixtures/endpointsDocument.ts';
import { seededRandom } from '../../fixtures/seededRandom.ts';
import {
  type Commit,
  type SimulatedPosition,
  type SimulatedServer,
  SimulatedServers,
  type Weather,
} from './simulatedServers.ts';

export interface SimulationOptions {
  readonly seed: number;
  readonly replicas: number;
  readonly probeEveryMs: number;
  readonly durationMs: number;
  readonly weather: Weather;
  /** Part of what a scope does that is a write. */
  readonly writes: number;
  /** What a deliberate mistake does to the observations, or to what is noted. */
  readonly mistake?: Mistake | undefined;
}

export interface Mistake {
  readonly observe?: (observation: Observation) => Observation;
  readonly forgets?: 'reads' | 'writes' | 'lost connections' | 'the token';
}

export interface SimulationResult {
  readonly violations: readonly string[];
  readonly reads: { readonly replica: number; readonly primary: number; readonly none: number };
}

const boundedMs = 150;
const levels: readonly Consistency[] = [
  'read-your-writes',
  'read-your-writes',
  'eventual',
  { maxLagMs: boundedMs },
];

interface Client {
  process: SimulatedProcess;
  scope: ReadScope;
  requests: readonly Request[];
  /** What it has been told, and when. */
  writes: Commit[];
  seen: { readonly position: SimulatedPosition; readonly endedAtMs: number }[];
  busyUntilMs: number;
  opsLeft: number;
}

interface SimulatedProcess {
  readonly planner: ReadPlanner;
  primary: string;
  nextProbeMs: Map<string, number>;
  readonly poolWrites: Commit[];
}

export function simulate(options: SimulationOptions): SimulationResult {
  return new Simulation(options).run();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #random: () => number;
  readonly #servers: SimulatedServers;
  readonly #processes: readonly SimulatedProcess[];
  readonly #clients: readonly Client[];
  #later: { readonly atMs: number; readonly run: () => void }[] = [];
  readonly #violations: string[] = [];
  readonly #reads = { replica: 0, primary: 0, none: 0 };

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#servers = new SimulatedServers(options.replicas, options.weather, this.#random);
    this.#processes = [this.#newProcess(), this.#newProcess()];
    this.#clients = Array.from({ length: 4 }, () => this.#newClient());
    this.#servers.onCrash = (name) => {
      if (options.mistake?.forgets === 'lost connections') return;
      for (const { planner } of this.#processes) planner.noteConnectionLost(name);
    };
  }

  run(): SimulationResult {
    const endMs = this.#servers.nowMs + this.#options.durationMs;
    while (this.#servers.nowMs < endMs) {
      this.#servers.tick();
      const due = this.#later.filter(({ atMs }) => atMs <= this.#servers.nowMs);
      this.#later = this.#later.filter(({ atMs }) => atMs > this.#servers.nowMs);
      for (const { run } of due) run();
      for (const process of this.#processes) this.#probe(process);
      for (const client of this.#clients) this.#act(client);
      for (const process of this.#processes) if (this.#random() < 0.02) this.#readWithoutScope(process);
    }
    return { violations: this.#violations, reads: this.#reads };
  }

  #newProcess(): SimulatedProcess {
    const now = () => this.#servers.nowMs;
    const clock = { now, wallNow: () => new Date(now()) } as ReadPlannerDeps['clock'];
    const deps = { clock, random: this.#random, wake: () => {}, noteRead: () => {} };
    const planner = new ReadPlanner({ ...readDefaults, slowStartMs: 0, tokenKeys: ['a key of both'] }, deps);
    const process = { planner, primary: 'orders-1', nextProbeMs: new Map(), poolWrites: [] };
    planner.follow(this.#document(), process.primary);
    return process;
  }

  #document() {
    return endpointsDocument({
      replicas: this.#servers.servers.slice(1).map(({ name }) => replicaEndpoint({ name })),
      primary: primaryEndpoint({ name: 'orders-1' }),
    });
  }

  #newClient(before?: Client): Client {
    const process = this.#pick(this.#processes);
    const token = before === undefined ? undefined : before.scope.token();
    const forgetsToken = this.#options.mistake?.forgets === 'the token';
    return runInScope({ token: forgetsToken ? undefined : token }, () => {
      const scope = currentScope();
      if (scope === undefined) throw new Error('there is a scope inside of runInScope');
      const requests = levels.map((level) => process.planner.request(level));
      // What is still under way has not been seen when the token is made.
      const writes = [...(before?.writes ?? [])];
      // Reads are in a token only as far as their positions are known.
      return { process, scope, requests, writes, seen: [], busyUntilMs: 0, opsLeft: 40 };
    });
  }

  #probe(process: SimulatedProcess): void {
    for (const server of this.#servers.servers) {
      const { nowMs } = this.#servers;
      if (nowMs < (process.nextProbeMs.get(server.name) ?? 0)) continue;
      process.nextProbeMs.set(server.name, nowMs + this.#options.probeEveryMs * (0.5 + this.#random()));
      let probe: Observation['probe'] = { kind: 'failed', reason: 'connection refused' };
      this.#in(this.#delay(), () => {
        probe = this.#answerOf(server);
        this.#in(this.#delay(), () => {
          const endedAtMs = this.#servers.nowMs;
          this.#note(process, { instance: server.name, startedAtMs: nowMs, endedAtMs, probe });
        });
      });
    }
  }

  #answerOf(server: SimulatedServer): Observation['probe'] {
    if (!this.#servers.answers(server)) return { kind: 'failed', reason: 'connection refused' };
    const isPrimary = server.role === 'primary';
    return {
      kind: 'answered',
      role: isPrimary ? 'primary' : 'replica',
      systemIdentifier: '7421000000000000001',
      timeline: server.timeline,
      lsn: BigInt(isPrimary ? server.written : server.lsn) as Lsn,
      insertedLsn: isPrimary ? (BigInt(server.lsn) as Lsn) : null,
      isStreaming: isPrimary || this.#servers.isStreaming(server),
      serverVersion: 150_000,
    };
  }

  #note(process: SimulatedProcess, observation: Observation): void {
    const seen = this.#options.mistake?.observe?.(observation) ?? observation;
    const { probe, instance } = seen;
    const known = process.planner.book.view.primary?.timeline ?? 0;
    if (probe.kind === 'answered' && probe.role === 'primary' && (probe.timeline ?? 0) > known) {
      process.primary = instance;
      process.planner.follow(this.#document(), instance);
    }
    process.planner.note(seen);
  }

  #act(client: Client): void {
    if (this.#servers.nowMs < client.busyUntilMs) return;
    client.busyUntilMs = this.#servers.nowMs + Math.floor(this.#random() ** 4 * 80);
    client.opsLeft -= 1;
    if (client.opsLeft === 0) Object.assign(client, this.#newClient(client));
    else if (this.#random() < this.#options.writes) this.#write(client);
    else this.#read(client, Math.floor(this.#random() * levels.length));
  }

  #write(client: Client): void {
    const { process } = client;
    const [request] = client.requests;
    if (request === undefined) throw new Error('a client has requests');
    client.busyUntilMs = Number.POSITIVE_INFINITY;
    this.#in(this.#delay(), () => {
      const ackAfterMs = this.#delay();
      const isReached = process.primary === this.#servers.primary?.name;
      const acknowledgedAtMs = this.#servers.nowMs + ackAfterMs;
      const commit = isReached ? this.#servers.commit(acknowledgedAtMs, this.#random() < 0.5) : undefined;
      this.#in(ackAfterMs, () => {
        client.busyUntilMs = this.#servers.nowMs + 1;
        if (commit === undefined) return;
        client.writes.push(commit);
        process.poolWrites.push(commit);
        if (this.#options.mistake?.forgets !== 'writes') process.planner.wrote(request);
      });
    });
  }

  #read(client: Client, level: number): void {
    const request = client.requests[level];
    if (request === undefined) throw new Error('a client has a request of each level');
    const startedAtMs = this.#servers.nowMs;
    const isEventual = levels[level] === 'eventual';
    const isParallel = this.#random() < 0.2;
    const { seen, writes, process } = client;
    if (!isParallel) client.busyUntilMs = Number.POSITIVE_INFINITY;
    const isBounded = typeof levels[level] === 'object';
    this.#show(process, request, (position) => {
      const nowMs = this.#servers.nowMs;
      if (!isParallel) client.busyUntilMs = nowMs + 1;
      if (position === undefined) return;
      if (!isEventual) {
        this.#judge(
          'its own write',
          position,
          writes.filter((it) => it.acknowledgedAtMs <= startedAtMs),
        );
        for (const { position: before, endedAtMs } of seen) {
          if (endedAtMs > startedAtMs) continue;
          this.#judge(
            'what it has read',
            position,
            this.#servers.commits.filter((it) => this.#servers.holds(before, it)),
          );
        }
      }
      if (isBounded) {
        const olderThanMs = startedAtMs - boundedMs;
        this.#judge(
          'what is old',
          position,
          this.#servers.commits.filter((it) => it.acknowledgedAtMs <= olderThanMs),
        );
      }
      if (seen.push({ position, endedAtMs: nowMs }) > 5) seen.shift();
    });
  }

  #readWithoutScope(process: SimulatedProcess): void {
    const writes = [...process.poolWrites];
    this.#show(process, process.planner.request(), (position) => {
      if (position !== undefined) this.#judge('a write of its pool', position, writes);
    });
  }

  /** Runs one read, and tells which position it has shown; undefined when it failed. */
  #show(process: SimulatedProcess, request: Request, then: (position?: SimulatedPosition) => void): void {
    const { planner } = process;
    const choice = planner.plan(request, this.#facts(process));
    this.#reads[choice.kind] += 1;
    if (choice.kind === 'none') {
      then();
      return;
    }
    const underWay = planner.started(request, choice);
    const server = this.#servers.server(choice.endpoint.name);
    const { crashes } = server;
    const wasUp = this.#mayAnswer(server, choice);
    this.#in(this.#delay(), () => {
      // What was sent on a connection that broke is not run after the restart.
      const isUp = wasUp && server.crashes === crashes && this.#mayAnswer(server, choice);
      const position = isUp ? { timeline: server.timeline, lsn: server.lsn } : undefined;
      this.#in(this.#delay(), () => {
        const forgets = this.#options.mistake?.forgets === 'reads';
        planner.finished(underWay, position === undefined || forgets ? 'failed' : 'answered');
        then(position);
      });
    });
  }

  #mayAnswer(server: SimulatedServer, { kind }: ReadChoice): boolean {
    return this.#servers.answers(server) && (kind === 'replica' || server.role === 'primary');
  }

  #facts({ primary }: SimulatedProcess) {
    const document = this.#document();
    return {
      document,
      primary: primaryEndpoint({ name: primary }),
      health: new Map(),
      tried: new Set<string>(),
      turn: 0,
      isOverflow: false,
      nowMs: this.#servers.nowMs,
    };
  }

  #judge(what: string, position: SimulatedPosition, mustHold: readonly Commit[]): void {
    const missing = mustHold.find((it) => !this.#servers.holds(position, it) && !this.#servers.isLost(it));
    if (missing === undefined) return;
    const at = `${position.timeline}/${position.lsn}`;
    this.#violations.push(
      `${this.#servers.nowMs} ms: ${at} does not hold ${what} (${missing.timeline}/${missing.lsn})`,
    );
  }

  #in(delayMs: number, run: () => void): void {
    this.#later.push({ atMs: this.#servers.nowMs + delayMs, run });
  }

  /** Of one way through the network; never nothing, so that a cause has an earlier time than its effect. */
  #delay(): number {
    return 1 + Math.floor(this.#random() ** 3 * 12);
  }

  #pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.#random() * items.length)];
    if (item === undefined) throw new Error('there is something to pick from');
    return item;
  }
}
