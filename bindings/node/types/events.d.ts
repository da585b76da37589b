import { type SvidexError } from './errors';
/**
 * How much an operator should care.
 *
 * - `debug`: the ordinary course of things: a token was renewed
 * - `info`: a change for the better, such as a recovery
 * - `warning`: something failed, and callers do not feel it yet: the token at hand has life left
 * - `error`: something failed, and callers feel it
 */
export type EventLevel = 'debug' | 'info' | 'warning' | 'error';
/**
 * What happened. More may be added.
 *
 * - `subject_token_fetched`: there is a new JWT-SVID
 * - `fetch_failed`: an attempt to get one failed
 * - `access_token_exchanged`: it was exchanged for an access token
 * - `exchange_failed`: an attempt to exchange it failed
 * - `identity_withdrawn`: the Workload API denies the identity; both tokens were dropped
 * - `worker_failed`: a defect in svidex
 * - `access_token_read`: with `accessTokenFile`: there is a new access token in it
 * - `read_failed`: it could not be read, or holds none of use, or is not replaced
 */
export type EventKind = 'subject_token_fetched' | 'fetch_failed' | 'access_token_exchanged' | 'exchange_failed' | 'identity_withdrawn' | 'worker_failed' | 'access_token_read' | 'read_failed';
/** One thing that happened in the background. Never holds token text. */
export interface ProviderEvent {
    readonly level: EventLevel;
    readonly kind: EventKind;
    /** The same in words, in English, with what is left of the token at hand. */
    readonly message: string;
    readonly at: Date;
    /** The cause of a failure; absent if nothing failed. */
    readonly error?: SvidexError;
    /**
     * How many events are missing between the one before and this one, because the
     * listener was too far behind; absent if none.
     */
    readonly dropped?: number;
}
