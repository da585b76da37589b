import type { Failure } from './addon';

/**
 * What went wrong, as one of a closed set that is the same in every language.
 *
 * - `invalid_config`: a setting or an argument is missing or wrong; the message names it
 * - `source_unavailable`: the Workload API or the token file could not be reached or read
 * - `permission_denied`: the Workload API issues no identity to this process
 * - `invalid_subject_token`: the source answered, but not with a usable JWT-SVID
 * - `exchange_rejected`: the token endpoint refused the exchange
 * - `exchange_unavailable`: the token endpoint could not be reached, or could not answer
 * - `timeout`: the deadline passed before any attempt had ended
 * - `cancelled`: the call's `signal` was aborted
 * - `closed`: the provider was closed
 * - `internal`: a defect in svidex
 */
export type ErrorCode =
  | 'invalid_config'
  | 'source_unavailable'
  | 'permission_denied'
  | 'invalid_subject_token'
  | 'exchange_rejected'
  | 'exchange_unavailable'
  | 'timeout'
  | 'cancelled'
  | 'closed'
  | 'internal';

/** What a {@link SvidexError} may know beside its code and message. */
export interface ErrorDetails {
  httpStatus?: number | undefined;
  oauthCode?: string | undefined;
  retryAfterMs?: number | undefined;
  retryable?: boolean | undefined;
  cause?: unknown;
}

/**
 * Every error of svidex. The message says what failed, where, and what to do
 * next; it never holds token text.
 */
export class SvidexError extends Error {
  /** Which of the closed set this is. */
  readonly code: ErrorCode;
  /** HTTP status of the token endpoint's answer, if there was one. */
  declare readonly httpStatus?: number;
  /** OAuth `error` code of the token endpoint's answer (RFC 6749 §5.2). */
  declare readonly oauthCode?: string;
  /** How long the token endpoint asked to be left alone, in milliseconds. */
  declare readonly retryAfterMs?: number;
  /** Whether the same call may succeed later with nothing changed. */
  readonly retryable: boolean;

  static {
    // On the prototype: as a field it would be printed with every error.
    Object.defineProperty(SvidexError.prototype, 'name', {
      value: 'SvidexError',
      writable: true,
      configurable: true,
    });
  }

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.code = code;
    this.retryable = details.retryable ?? false;
    if (details.httpStatus !== undefined) this.httpStatus = details.httpStatus;
    if (details.oauthCode !== undefined) this.oauthCode = details.oauthCode;
    if (details.retryAfterMs !== undefined) this.retryAfterMs = details.retryAfterMs;
  }
}

/** @internal What native code returned, as an error. */
export function errorFrom(failure: Failure, cause?: { cause: unknown }): SvidexError {
  return new SvidexError(failure.code as ErrorCode, failure.message, { ...failure, ...cause });
}

/**
 * @internal What native code threw, as an error. It throws nothing but defects:
 * a panic of ours, or Node refusing an operation.
 */
export function defect(thrown: unknown): SvidexError {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const report = 'please report it: https://github.com/svidex/svidex/issues';
  return new SvidexError('internal', `a defect in svidex: ${message}; ${report}`, {
    cause: thrown,
  });
}

/** @internal Calls native code; what it throws becomes `internal`. */
export function guarded<T>(native: () => T): T {
  try {
    return native();
  } catch (thrown) {
    throw defect(thrown);
  }
}
