import type { ErrorCode } from './errors';
/** What a provider is doing: a snapshot, taken without waiting for anything. */
export interface Status {
    /** Where JWT-SVIDs come from: `workload_api unix:///…` or `file /…`. */
    readonly source: string;
    readonly audience: string;
    /** Of the current JWT-SVID; `null` until there was one. */
    readonly spiffeId: string | null;
    /** The JWT-SVID; `null` while there is none. */
    readonly subjectToken: TokenStatus | null;
    /** The access token; `null` while there is none. */
    readonly accessToken: TokenStatus | null;
    /** Attempts to get a JWT-SVID that have ended, and how many of them failed. */
    readonly fetches: number;
    readonly fetchFailures: number;
    /** Attempts to get an access token that have ended, and how many of them failed. */
    readonly exchanges: number;
    readonly exchangeFailures: number;
    /** The most recent failure; kept after recovery. */
    readonly lastError: LastError | null;
    /** What deserves a look although it works. */
    readonly warnings: readonly string[];
    readonly closed: boolean;
}
/** How far a token's life has gone. */
export interface TokenStatus {
    readonly expiresAt: Date;
    readonly expiresInSeconds: number;
    readonly ageSeconds: number;
}
/** A failure, as it is remembered. */
export interface LastError {
    readonly code: ErrorCode;
    readonly message: string;
    readonly at: Date;
    readonly httpStatus?: number;
    readonly oauthCode?: string;
}
