// Every error that the router itself raises. Errors of PostgreSQL pass through it unchanged, with the
// SQLSTATE in `code`, so that applications go on switching on what they know.

/**
 * Codes are API: never renamed, safe to switch on, each described in docs/reference/errors.md. `isRetryable` means that nothing
 * of the statement ran.
 */
export const routerErrorCodes = {
  RPG_NO_ENDPOINTS: { isRetryable: true },
  RPG_ENDPOINTS_INVALID: { isRetryable: true },
  RPG_NO_CREDENTIALS: { isRetryable: true },
  RPG_NO_PRIMARY: { isRetryable: true },
  RPG_NO_REPLICA: { isRetryable: true },
  RPG_FALLBACK_BUSY: { isRetryable: true },
  RPG_PRIMARY_UNREACHABLE: { isRetryable: true },
  RPG_FAILOVER_IN_PROGRESS: { isRetryable: true },
  RPG_POOL_BUSY: { isRetryable: true },
  RPG_OUTCOME_UNKNOWN: { isRetryable: false },
  RPG_TRANSACTION_LOST: { isRetryable: true },
  RPG_TRANSACTION_ABORTED: { isRetryable: true },
  RPG_STATEMENT_DENIED: { isRetryable: false },
  RPG_NEEDS_PRIMARY: { isRetryable: false },
  RPG_SERVER_UNTRUSTED: { isRetryable: false },
  RPG_TRANSACTION_LEFT_OPEN: { isRetryable: false },
  RPG_CONFIG_INVALID: { isRetryable: false },
  RPG_CLOSED: { isRetryable: false },
} as const satisfies Record<string, { isRetryable: boolean }>;

export type RouterErrorCode = keyof typeof routerErrorCodes;

// A registered symbol, so that `instanceof` holds when an application has loaded the package twice.
const brand = Symbol.for('replica-manager.RouterError');

/** A failure of routing. `cause` is the driver's error where there is one. */
export class RouterError extends Error {
  override readonly name = 'RouterError';
  readonly code: RouterErrorCode;
  /** Whether the same statement may be sent again without risk of running twice. */
  readonly isRetryable: boolean;

  constructor(code: RouterErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.isRetryable = routerErrorCodes[code].isRetryable;
    Object.defineProperty(this, brand, { value: true });
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}
