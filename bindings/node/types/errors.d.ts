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
export type ErrorCode = 'invalid_config' | 'source_unavailable' | 'permission_denied' | 'invalid_subject_token' | 'exchange_rejected' | 'exchange_unavailable' | 'timeout' | 'cancelled' | 'closed' | 'internal';
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
export declare class SvidexError extends Error {
    /** Which of the closed set this is. */
    readonly code: ErrorCode;
    /** HTTP status of the token endpoint's answer, if there was one. */
    readonly httpStatus?: number;
    /** OAuth `error` code of the token endpoint's answer (RFC 6749 §5.2). */
    readonly oauthCode?: string;
    /** How long the token endpoint asked to be left alone, in milliseconds. */
    readonly retryAfterMs?: number;
    /** Whether the same call may succeed later with nothing changed. */
    readonly retryable: boolean;
    constructor(code: ErrorCode, message: string, details?: ErrorDetails);
}
