// The cycle of an agent: observe → plan → execute, every second or when something happens.

import type { AgentStatus } from '../api/agentStatus.ts';
import { planInstance } from '../plan/instance.ts';
import type { InstanceFacts, InstancePlan } from '../plan/instanceFacts.ts';
import { formatState } from '../postgres/instanceState.ts';
import { type AgentDeps, type AgentParts, createAgentParts } from './agentParts.ts';
import { type CertificateFiles, readCertificateFiles } from './certificateFiles.ts';
import { execute } from './execute.ts';
import { executePlan, standingFailures } from './executePlan.ts';
import { firstStatus, instanceStatus } from './instanceStatus.ts';
import { observeInstance } from './observeInstance.ts';
import { removePasswordFiles } from './passwordFile.ts';
import type { StatusSource } from './statusServer.ts';

const cycleEveryMs = 1_000;
/** While something is on its way (starting, cloning, waiting for the Lease) it should be seen as soon as it is there. */
const busyCycleEveryMs = 200;
/** An observation takes at most a connect and a query timeout; after ten of these something is stuck. */
const stuckAfterMs = 30_000;
/** One that fails may be bad luck. A holder that fails again and again leaves the Lease to who can do better. */
const maxFailures = 5;
const theEnd = 'the pod is stopping';

export class InstanceLoop implements StatusSource {
  readonly parts: AgentParts;
  readonly #onCertificate: (certificate: CertificateFiles) => void;
  #status: AgentStatus;
  #cycledAtMs: number;
  #ready = false;
  #stopRequested = false;
  /** Cycles in a row that could not look, or could not do what the server needs. */
  #failures = 0;
  #complaint = '';
  #lacksCertificate = false;
  #told = '';

  constructor(deps: AgentDeps, onCertificate: (certificate: CertificateFiles) => void = () => {}) {
    this.parts = createAgentParts(deps);
    this.#onCertificate = onCertificate;
    this.#status = firstStatus(deps.settings);
    this.#cycledAtMs = deps.clock.now();
  }

  status(): AgentStatus {
    return this.#status;
  }

  isLive(): boolean {
    return this.parts.clock.now() - this.#cycledAtMs < stuckAfterMs;
  }

  isReady(): boolean {
    return this.#ready && !this.#stopRequested;
  }

  /** Runs until `signal` is aborted and PostgreSQL has stopped in order. */
  async run(signal: AbortSignal): Promise<void> {
    const { wake, clock, memory, lease, document, podLabel, settings, log } = this.parts;
    const end = new AbortController();
    const helpers = [lease.run(end.signal), document.run(end.signal), podLabel.run(end.signal)];
    const onAbort = () => {
      this.#stopRequested = true;
      wake.now();
    };
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await removePasswordFiles(settings).catch((error: unknown) =>
        log.warn({ err: error }, 'a password file of an earlier agent may be left'),
      );
      while (!memory.isFinished) {
        await this.#cycle(end.signal);
        if (!memory.isFinished) await wake.pause(this.#pauseMs(), clock);
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      end.abort(new Error('the agent has ended'));
      this.parts.connection.close();
      await Promise.allSettled([...helpers, this.parts.volumeLock.release()]);
    }
  }

  #pauseMs(): number {
    return this.#status.phase === 'running' || this.#status.phase === 'refused'
      ? cycleEveryMs
      : busyCycleEveryMs;
  }

  async #cycle(signal: AbortSignal): Promise<void> {
    // Until the facts say otherwise: who cannot look may be missing anything.
    let isGrave = true;
    try {
      const facts = await observeInstance(this.parts, this.#stopRequested, signal);
      const plan = planInstance(facts);
      isGrave = facts.server.kind !== 'answering' || plan.actions.some(({ kind }) => kind === 'promote');
      this.#publish(facts, plan);
      await executePlan(plan.actions, this.parts, signal);
      this.#failures = 0;
      this.#complain('');
    } catch (error) {
      this.#failures = isGrave ? this.#failures + 1 : 0;
      await this.#bear(error, signal);
    }
    await this.#renewCertificate();
    this.#cycledAtMs = this.parts.clock.now();
  }

  /** The next cycle sees the facts as they are then; of this one nothing is kept but what people should know. */
  async #bear(error: unknown, signal: AbortSignal): Promise<void> {
    const { server, work, lease, memory } = this.parts;
    const reason = error instanceof Error ? error.message : String(error);
    this.#complain(reason, error);
    this.#status = { ...this.#status, reason };
    if (this.#isHelpless) {
      this.#ready = false;
      lease.renewWith(null);
    }
    if (!this.#stopRequested) return;
    this.#status = { ...this.#status, phase: 'stopping' };
    await work.abandon(theEnd);
    const { state } = server;
    if (state.kind === 'started')
      await execute({ kind: 'stop', from: state.as, mode: 'ordered', reason: theEnd }, this.parts, signal);
    if (state.kind === 'stopped') memory.isFinished = true;
  }

  get #isHelpless(): boolean {
    return this.#failures >= maxFailures;
  }

  /** Says it once, not with every cycle. */
  #complain(text: string, error?: unknown): void {
    if (text !== this.#complaint && text !== '')
      this.parts.log.error({ err: error }, 'a cycle of the agent failed and is repeated');
    this.#complaint = text;
  }

  async #renewCertificate(): Promise<void> {
    const { settings, log } = this.parts;
    try {
      this.#onCertificate(await readCertificateFiles(settings.places.tlsDir));
      this.#lacksCertificate = false;
    } catch (error) {
      if (!this.#lacksCertificate)
        log.error({ err: error }, 'the certificate cannot be read, the last one is shown');
      this.#lacksCertificate = true;
    }
  }

  /** What failed is told until it has succeeded, not only between two tries. */
  #reasonOf({ reason, actions }: InstancePlan): string | null {
    const told = [...(reason === null ? [] : [reason]), ...standingFailures(actions, this.parts.memory)];
    return told.length === 0 ? null : told.join('; ');
  }

  #publish(facts: InstanceFacts, plan: InstancePlan): void {
    const { lease, settings, memory, log, document } = this.parts;
    this.#ready = facts.server.kind === 'answering' && !this.#isHelpless;
    this.#status = instanceStatus(settings, facts, { ...plan, reason: this.#reasonOf(plan) }, memory);
    const leaseSeconds = document.config?.failover.leaseSeconds;
    const renews = plan.renewLease && !this.#isHelpless;
    lease.renewWith(renews ? positionOf(facts) : null, leaseSeconds);
    const told = `${plan.phase} ${plan.reason?.replace(/[0-9]+ (%|s)/, '')}`;
    if (told !== this.#told) log.info({ phase: plan.phase, reason: plan.reason }, 'the agent goes on');
    this.#told = told;
  }
}

/** The system identifier goes into the Lease when the database is complete, with roles: then it may be cloned. */
function positionOf(facts: InstanceFacts) {
  const { server, volume } = facts;
  if (server.kind !== 'answering' || server.state.role !== 'primary' || volume.kind !== 'data') {
    return { systemIdentifier: null, timeline: null, walPosition: null };
  }
  return {
    systemIdentifier: facts.rolesCurrent ? volume.systemIdentifier : null,
    timeline: server.state.timeline,
    walPosition: formatState(server.state).lsn,
  };
}
