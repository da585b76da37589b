import { type DoctorOptions } from './options';
/** How a step ended; `warning`: it works, or may work, and is worth a look. */
export type Outcome = 'ok' | 'warning' | 'failed' | 'skipped';
/** One step. Nothing in it is text of a token. */
export interface Check {
    /** Which step, such as `svid_aud`. There may be more of them in a later version. */
    readonly id: string;
    readonly outcome: Outcome;
    /** What was seen, or why nothing was. */
    readonly seen: string;
    /** What to do, the likeliest first; never empty for `warning` and `failed`. */
    readonly advice: readonly string[];
}
/** All steps of one examination, in their order. */
export interface Report {
    /** The version of svidex. */
    readonly svidex: string;
    /** When it began. */
    readonly at: Date;
    /** No check failed. */
    readonly healthy: boolean;
    readonly checks: readonly Check[];
    /** For people: a line for each check. */
    toString(): string;
}
/**
 * Tries every step from the configuration to the access token once, and says what
 * to do about what is wrong.
 *
 * It looks at what {@link Provider.fromEnv} would be made of; settings that none can be
 * made of are the first finding. It fetches one SVID, looks its issuer's keys up,
 * exchanges it once if the two IDs are set, and compares the clocks. It takes the time
 * of a few requests, each with `requestTimeoutSeconds`.
 *
 * @throws {SvidexError} by rejection: `cancelled`, or `source_unavailable` if the
 * system has no room for it. What is wrong outside is in the report.
 */
export declare function doctor(options?: DoctorOptions): Promise<Report>;
