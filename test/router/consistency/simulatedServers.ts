// A primary and replicas that write, replay, crash and are promoted at random, one millisecond at a time. What each holds is known,
// so that what a read shows can be judged.

export interface SimulatedPosition {
  readonly timeline: number;
  readonly lsn: number;
}

export interface Commit extends SimulatedPosition {
  /** When its writer heard of it. */
  readonly acknowledgedAtMs: number;
}

export interface SimulatedServer {
  readonly name: string;
  role: 'primary' | 'replica' | 'gone';
  timeline: number;
  /** Put into the log (primary) or replayed (replica). */
  lsn: number;
  /** Of a primary: what replicas can have. */
  written: number;
  /** Of a replica: when it streams again, and when it answers again. */
  receiverDownUntilMs: number;
  downUntilMs: number;
  /** How often its connections have been broken. */
  crashes: number;
  /** Most bytes that it replays in a millisecond. */
  speed: number;
}

/** How often things go wrong, as chances per millisecond. */
export interface Weather {
  readonly crash: number;
  readonly receiverLoss: number;
  readonly promotion: number;
}

export class SimulatedServers {
  readonly servers: readonly SimulatedServer[];
  readonly commits: Commit[] = [];
  nowMs = 1_000;
  /** Called when every connection to a server breaks. */
  onCrash: (name: string) => void = () => {};
  readonly #random: () => number;
  readonly #weather: Weather;
  /** Where each timeline left the one before. */
  readonly #forks = new Map<number, { readonly parent: number; readonly lsn: number }>();

  constructor(replicas: number, weather: Weather, random: () => number) {
    this.#random = random;
    this.#weather = weather;
    this.servers = Array.from({ length: replicas + 1 }, (_, index) => ({
      name: `orders-${index + 1}`,
      role: index === 0 ? 'primary' : 'replica',
      timeline: 1,
      lsn: 1_000,
      written: 1_000,
      receiverDownUntilMs: 0,
      downUntilMs: 0,
      crashes: 0,
      speed: 20,
    }));
  }

  get primary(): SimulatedServer | undefined {
    return this.servers.find(({ role }) => role === 'primary');
  }

  server(name: string): SimulatedServer {
    const server = this.servers.find((it) => it.name === name);
    if (server === undefined) throw new Error(`${name} is simulated`);
    return server;
  }

  answers({ role, downUntilMs }: SimulatedServer): boolean {
    return role !== 'gone' && this.nowMs >= downUntilMs;
  }

  isStreaming(server: SimulatedServer): boolean {
    const { primary } = this;
    if (primary === undefined || !this.answers(primary) || this.nowMs < server.receiverDownUntilMs)
      return false;
    return server.timeline === primary.timeline;
  }

  /** On the primary, where it is seen at once. An asynchronous one is acknowledged before it is written. */
  commit(acknowledgedAtMs: number, isAsynchronous: boolean): Commit | undefined {
    const { primary } = this;
    if (primary === undefined || !this.answers(primary)) return undefined;
    primary.lsn += 8 + Math.floor(this.#random() * 60);
    if (!isAsynchronous) primary.written = primary.lsn;
    const commit = { timeline: primary.timeline, lsn: primary.lsn, acknowledgedAtMs };
    this.commits.push(commit);
    return commit;
  }

  /** Whether a server at such a position holds the commit. */
  holds({ timeline, lsn }: SimulatedPosition, commit: SimulatedPosition): boolean {
    let limit = lsn;
    let at = timeline;
    while (at > commit.timeline) {
      const fork = this.#forks.get(at);
      if (fork === undefined) return false;
      limit = Math.min(limit, fork.lsn);
      at = fork.parent;
    }
    return at === commit.timeline && commit.lsn <= limit;
  }

  /** Whether a failover has left the commit behind. */
  isLost(commit: SimulatedPosition): boolean {
    const timeline = Math.max(...this.servers.map((server) => server.timeline));
    return !this.holds({ timeline, lsn: Number.MAX_SAFE_INTEGER }, commit);
  }

  tick(): void {
    this.nowMs += 1;
    const { primary } = this;
    if (primary !== undefined && this.answers(primary)) {
      if (this.#random() < 0.1) this.commit(this.nowMs, this.#random() < 0.3);
      if (this.#random() < 0.02) primary.written = primary.lsn;
    }
    for (const server of this.servers) if (server.role === 'replica') this.#replay(server);
    if (this.#random() < this.#weather.promotion) this.#promote();
  }

  #replay(server: SimulatedServer): void {
    if (!this.answers(server)) return;
    if (this.#random() < this.#weather.crash) this.#crash(server);
    if (this.#random() < this.#weather.receiverLoss) {
      server.receiverDownUntilMs = this.nowMs + this.#random() * 300;
    }
    if (this.#random() < 0.01) server.speed = Math.floor(this.#random() ** 3 * 200);
    this.#followTimeline(server);
    const { primary } = this;
    if (primary === undefined || !this.isStreaming(server)) return;
    const step = Math.floor(this.#random() * server.speed);
    server.lsn = Math.min(Math.max(server.lsn, primary.written), server.lsn + step);
  }

  /** One that is ahead of the fork cannot follow, and stays behind as it is. */
  #followTimeline(server: SimulatedServer): void {
    const { primary } = this;
    const fork = primary === undefined ? undefined : this.#forks.get(primary.timeline);
    if (primary === undefined || fork === undefined || server.timeline === primary.timeline) return;
    if (fork.parent === server.timeline && server.lsn <= fork.lsn && this.#random() < 0.02) {
      server.timeline = primary.timeline;
    }
  }

  /** It comes back below what it has shown. */
  #crash(server: SimulatedServer): void {
    server.crashes += 1;
    server.downUntilMs = this.nowMs + 5 + this.#random() * 50;
    server.lsn = Math.max(1_000, server.lsn - Math.floor(this.#random() * 400));
    this.onCrash(server.name);
  }

  #promote(): void {
    const { primary } = this;
    const able = this.servers.filter((it) => it.role === 'replica' && this.answers(it));
    const chosen = able[Math.floor(this.#random() * able.length)];
    if (primary === undefined || chosen === undefined || chosen.timeline !== primary.timeline) return;
    primary.role = 'gone';
    this.onCrash(primary.name);
    chosen.timeline = primary.timeline + 1;
    this.#forks.set(chosen.timeline, { parent: primary.timeline, lsn: chosen.lsn });
    chosen.lsn += 8;
    chosen.written = chosen.lsn;
    chosen.role = 'primary';
  }
}
