// What the caller is told when a statement has failed for good.

import type { PrimaryEndpoint } from '../endpoints/endpointsDocument.ts';
import { describeReplicas } from './balance/describeReplicas.ts';
import type { ReadFacts } from './balance/readFacts.ts';
import { explainVerdict } from './classify/explainStatement.ts';
import type { Verdict } from './classify/verdict.ts';
import { type Failure, messageOf, poolBusyMessage } from './judgeFailure.ts';
import { RouterError } from './routerError.ts';

/** Of a statement outside of transactions. `isRead`: it changes nothing, so there is no outcome to find out. */
export function errorOf(
  { name }: PrimaryEndpoint,
  { kind, phase, error }: Failure,
  isRead: boolean,
): unknown {
  const cause = { cause: error };
  switch (kind) {
    case 'busy':
      return poolBusy(name, error);
    case 'connection':
      return phase === 'connecting'
        ? new RouterError('RPG_PRIMARY_UNREACHABLE', `cannot connect to ${name}: ${messageOf(error)}`, cause)
        : isRead
          ? new RouterError(
              'RPG_PRIMARY_UNREACHABLE',
              `lost ${name} during the read, run it again: ${messageOf(error)}`,
              cause,
            )
          : outcomeUnknown(name, error);
    case 'timeout':
      return isRead ? error : outcomeUnknown(name, error);
    case 'untrusted':
      return new RouterError(
        'RPG_SERVER_UNTRUSTED',
        `the certificate of ${name} is not trusted, check ca.crt of the credentials: ${messageOf(error)}`,
        cause,
      );
    case 'conflict':
    case 'statement':
      return error;
  }
}

/** Of a statement inside of a transaction. `mayEnd`: it may have been a COMMIT. */
export function errorInTransaction(
  instance: string,
  { kind, phase, error }: Failure,
  mayEnd: boolean,
): unknown {
  if (kind !== 'connection' && kind !== 'timeout') return error;
  if (mayEnd && phase === 'querying') return outcomeUnknown(instance, error);
  return new RouterError(
    'RPG_TRANSACTION_LOST',
    `lost ${instance} before the end of the transaction, which is rolled back, run the whole of it again: ${messageOf(error)}`,
    { cause: error },
  );
}

function outcomeUnknown(instance: string, error: unknown): RouterError {
  return new RouterError(
    'RPG_OUTCOME_UNKNOWN',
    `lost ${instance} during the statement, find out whether it ran: ${messageOf(error)}`,
    { cause: error },
  );
}

export function poolBusy(instance: string, cause: unknown): RouterError {
  return new RouterError(
    'RPG_POOL_BUSY',
    // Applications look for the words of the driver.
    `${poolBusyMessage}: no connection to ${instance} became free in time, raise poolSize`,
    { cause },
  );
}

export function clientsBusy(max: number): RouterError {
  return new RouterError(
    'RPG_POOL_BUSY',
    `${poolBusyMessage}: ${max} clients are out and none was released in time, release each of them or raise max`,
    { cause: new Error(poolBusyMessage) },
  );
}

export function fallbackBusy(facts: ReadFacts, cause: unknown): RouterError {
  const { name } = facts.document.topology;
  return new RouterError(
    'RPG_FALLBACK_BUSY',
    `no replica of ${name} serves reads (${describeReplicas(facts)}) and its primary has as many as it may take, try again later`,
    { cause },
  );
}

export function noReplica(topology: string, reason: string, cause: unknown): RouterError {
  return new RouterError('RPG_NO_REPLICA', `no instance of ${topology} answers reads: ${reason}`, { cause });
}

export function failoverInProgress({ name }: PrimaryEndpoint, cause: unknown): RouterError {
  return new RouterError(
    'RPG_FAILOVER_IN_PROGRESS',
    `${name} is not the primary any more and nothing was executed, try again`,
    { cause },
  );
}

export function noPrimary(topology: string, epoch: number, reason: string): RouterError {
  return new RouterError(
    'RPG_NO_PRIMARY',
    `${topology} has no primary in epoch ${epoch}, try again: ${reason}`,
  );
}

/** The caller's time is up before the switchover is over. */
export function heldTooLong(patienceMs: number): RouterError {
  return new RouterError(
    'RPG_FAILOVER_IN_PROGRESS',
    `a switchover is going on, and nothing was executed in the ${patienceMs} ms that there were, try again`,
  );
}

export function denied(sql: string | undefined, verdict: Verdict): RouterError {
  return new RouterError(
    'RPG_STATEMENT_DENIED',
    `refused, allow it by classification.allowDenied if it is meant: ${explainVerdict(sql ?? '', verdict).reason}`,
  );
}

export function needsPrimary(instance: string, sql: string, verdict: Verdict): RouterError {
  return new RouterError(
    'RPG_NEEDS_PRIMARY',
    `the transaction was begun READ ONLY and runs on ${instance}, where this would not hold; begin it without READ ONLY: ${explainVerdict(sql, verdict).reason}`,
  );
}

export function sessionLost({ name }: PrimaryEndpoint, isInTransaction: boolean): RouterError {
  return isInTransaction
    ? new RouterError(
        'RPG_TRANSACTION_LOST',
        `${name} is not the primary any more and the transaction is rolled back, run the whole of it again`,
      )
    : new RouterError(
        'RPG_FAILOVER_IN_PROGRESS',
        `${name} is not the primary any more and what the session held is gone, take a new client`,
      );
}
