// Turns an error of the driver into what it says about the server and about the statement.
//
// Invariant: of the kinds only `connection`, `conflict` and `busy` lead to a second attempt elsewhere, and only for reads; which
// refusals of a replica, of the login or of the statement, do so is the business of `ReadLoop`. What is not recognised counts as a failure of the statement, because
// sending that twice is the one mistake that cannot be undone.

/** When the error came: before the statement was sent, or after. */
export type FailurePhase = 'connecting' | 'querying';

/**
 * What went wrong.
 *
 * - `connection`: the server cannot be reached, or hung up; the connection is gone.
 * - `conflict`: a replica cancelled the read because replay needed the rows; the server is well.
 * - `untrusted`: the certificate that the server shows is not good, and trying again there does not help.
 * - `timeout`: the driver has given up waiting for the answer; the server may still be at it.
 * - `busy`: no connection of the pool became free in time; the server is well.
 * - `statement`: everything else, also a login that the server refuses; the error belongs to the caller.
 */
export type FailureKind = 'connection' | 'conflict' | 'untrusted' | 'timeout' | 'busy' | 'statement';

export interface Failure {
  readonly kind: FailureKind;
  readonly phase: FailurePhase;
  /** Whether the connection may serve another statement. */
  readonly isConnectionUsable: boolean;
  readonly error: unknown;
}

/** Whether the server has let nobody in, or was not let have the login: another one may, and this one not for a while. */
export function isLoginRefused({ kind, phase }: Failure): boolean {
  return phase === 'connecting' && (kind === 'statement' || kind === 'untrusted');
}

export function judgeFailure(error: unknown, phase: FailurePhase): Failure {
  if (phase === 'querying' && (isRefusedByDriver(error) || isRefusedByPooler(error))) {
    return { kind: 'connection', phase: 'connecting', error, isConnectionUsable: false };
  }
  const kind = phase === 'connecting' ? connectingKind(error) : queryingKind(error);
  return { kind, phase, error, isConnectionUsable: kind !== 'connection' && isSqlState(codeOf(error)) };
}

/** The pool of `pg` says this, without a code, when all its connections stayed in use. */
export const poolBusyMessage = 'timeout exceeded when trying to connect';

function connectingKind(error: unknown): FailureKind {
  if (messageOf(error) === poolBusyMessage) return 'busy';
  const code = codeOf(error) ?? '';
  if (refusedLoginStates.has(code)) return 'statement';
  return untrustedCodes.has(code) ? 'untrusted' : 'connection';
}

// https://www.postgresql.org/docs/current/errcodes-appendix.html: a role that may not log in, a wrong
// password, a database that does not exist. Mostly every instance says the same, but one may have a login of its own, or may not have
// replayed yet what made the login.
const refusedLoginStates: ReadonlySet<string> = new Set(['28000', '28P01', '3D000']);

// https://nodejs.org/api/tls.html#x509-certificate-error-codes, and that of a name that does not match.
const untrustedCodes: ReadonlySet<string> = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_CRL',
  'UNABLE_TO_DECRYPT_CERT_SIGNATURE',
  'UNABLE_TO_DECRYPT_CRL_SIGNATURE',
  'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
  'CERT_SIGNATURE_FAILURE',
  'CRL_SIGNATURE_FAILURE',
  'CERT_NOT_YET_VALID',
  'CERT_HAS_EXPIRED',
  'CRL_NOT_YET_VALID',
  'CRL_HAS_EXPIRED',
  'ERROR_IN_CERT_NOT_BEFORE_FIELD',
  'ERROR_IN_CERT_NOT_AFTER_FIELD',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_CHAIN_TOO_LONG',
  'CERT_REVOKED',
  'INVALID_CA',
  'PATH_LENGTH_EXCEEDED',
  'INVALID_PURPOSE',
  'CERT_UNTRUSTED',
  'CERT_REJECTED',
  'HOSTNAME_MISMATCH',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

// https://www.postgresql.org/docs/current/errcodes-appendix.html: class 08, and the server going down,
// having crashed, or not accepting statements yet.
const hangUpStates = /^(08...|57P0[1-5])$/;

// protocol_violation: PostgreSQL says so of a statement with too many values, and goes on; what ends the connection is FATAL.
const protocolViolation = '08P01';
const endsConnection = /^(FATAL|PANIC)$/;

// What pg says when the socket closed under it. It has no code.
const hangUpMessage = 'Connection terminated';

// What pg says, instead of sending anything, when the connection was gone before.
const refusalMessages = [
  'Client has encountered a connection error and is not queryable',
  'Client was closed and is not queryable',
];

function isRefusedByDriver(error: unknown): boolean {
  return refusalMessages.some((it) => messageOf(error).startsWith(it));
}

// What PgBouncer says, and hangs up, when it found no server for the statement. Clients have one from the first statement of a
// transaction to its end, so nothing ran. https://www.pgbouncer.org/config.html: server_login_retry, query_wait_timeout
const poolerRefusals = ['server login has been failing', 'query_wait_timeout'];

function isRefusedByPooler(error: unknown): boolean {
  return codeOf(error) === protocolViolation && poolerRefusals.some((it) => messageOf(error).startsWith(it));
}

const timeoutMessage = 'Query read timeout';

function queryingKind(error: unknown): FailureKind {
  const code = codeOf(error);
  const message = messageOf(error);
  if (isSqlState(code)) {
    if (code === protocolViolation)
      return endsConnection.test(severityOf(error)) ? 'connection' : 'statement';
    if (hangUpStates.test(code)) return 'connection';
    return code === '40001' && message.includes('conflict with recovery') ? 'conflict' : 'statement';
  }
  if (message === timeoutMessage) return 'timeout';
  const isSocketError = code !== undefined && /^E[A-Z_]+$/.test(code) && hasSystemCall(error);
  return isSocketError || message.startsWith(hangUpMessage) ? 'connection' : 'statement';
}

/** The SQLSTATE with which a server that goes on serving others has said no; undefined when it said nothing of the kind. */
export function refusalStateOf(error: unknown): string | undefined {
  const code = codeOf(error);
  return isSqlState(code) && !hangUpStates.test(code) ? code : undefined;
}

function isSqlState(code: string | undefined): code is string {
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && /[0-9]/.test(code);
}

/** The SQLSTATE or the code of Node; undefined when there is none. */
export function codeOf(error: unknown): string | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

function severityOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'severity' in error ? String(error.severity) : '';
}

function hasSystemCall(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'syscall' in error;
}

/** Never empty, also for the errors that Node raises when several addresses of a host fail. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map(messageOf).join(', ');
  }
  return error instanceof Error ? error.message : String(error);
}
