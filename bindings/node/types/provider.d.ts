/// <reference lib="esnext.disposable" preserve="true" />
import { type ProviderEvent } from './events';
import { type CallOptions, type ProviderOptions } from './options';
import { type Status } from './status';
/** What `new OpenAI({ workloadIdentity })` takes. */
export interface WorkloadIdentity {
    identityProviderId: string;
    serviceAccountId: string;
    clientId?: string;
    provider: {
        tokenType: 'jwt';
        getToken: () => Promise<string>;
    };
    refreshBufferSeconds: number;
}
/**
 * Keeps a JWT-SVID, and the OpenAI access token it was exchanged for, fresh.
 *
 * Both are fetched on first demand and renewed in the background, natively; a
 * call that finds its token in memory never waits. Make one provider and keep
 * it. An idle one keeps no process alive; a pending call does.
 *
 * `getToken` and `accessToken` may be passed on without their provider.
 */
export declare class Provider {
    #private;
    /** Closes the provider at the end of a `using` block, where the runtime has it. */
    readonly [Symbol.dispose]: () => void;
    /**
     * Takes explicit values only (and, as every HTTP client does, the proxy and
     * CA variables).
     *
     * @throws {SvidexError} `invalid_config` naming the option
     */
    constructor(options: ProviderOptions);
    /**
     * Makes a provider from the environment of the process; what `overrides`
     * holds wins. An explicit source silences both source variables. (A worker
     * thread's own `env` is not the process's and is not read.)
     *
     * @throws {SvidexError} `invalid_config` naming the option or the variable
     */
    static fromEnv(overrides?: ProviderOptions): Provider;
    /**
     * A JWT-SVID with life left: what an OpenAI SDK asks for as subject token.
     *
     * @throws {SvidexError} by rejection
     */
    getToken(options?: CallOptions): Promise<string>;
    /**
     * An OpenAI access token with life left, for the `Authorization` header.
     * Needs `identityProviderId` and `serviceAccountId`.
     *
     * @throws {SvidexError} by rejection
     */
    accessToken(options?: CallOptions): Promise<string>;
    /**
     * For `new OpenAI({ workloadIdentity: provider.workloadIdentity() })`: the
     * SDK then exchanges the JWT-SVIDs that this provider hands it.
     *
     * @throws {SvidexError} `invalid_config` if the two IDs are not set
     */
    workloadIdentity(): WorkloadIdentity;
    /**
     * Drops `token`, if it is one of the two that are held, so that the next call
     * gets a new one. For when a server has refused it.
     */
    invalidate(token: string): void;
    /**
     * Calls `listener` with everything that happens in the background from now on:
     * renewals, failures with what is left of the token at hand, recoveries. It
     * replaces the listener before; there is one, for the host's log. Best called
     * right after the provider was made: nothing happens before its first use.
     *
     * Events come in order, and never within a call of the provider. The listener
     * may use the provider, and may take its time: renewals go on, 64 events wait,
     * and `dropped` tells how many found no room.
     *
     * What the listener throws becomes an `uncaughtException`, as with Node's
     * `EventTarget`; the events after it come all the same. Without a listener,
     * background failures raise and print nothing.
     *
     * Listening keeps neither the process alive nor the provider from being
     * collected, also if the listener uses it; events on their way are lost then.
     * After {@link close} what was under way may still come.
     *
     * @throws {SvidexError} `invalid_config` if `listener` is no function
     */
    observe(listener: (event: ProviderEvent) => void): void;
    /** Ends {@link observe}: the listener is not called again, and let go of. */
    stopObserving(): void;
    /** What the provider is doing. Never waits. */
    status(): Status;
    /**
     * Drops both tokens; pending calls, and later ones, end with `closed`. Never
     * waits; a second time does nothing.
     */
    close(): void;
    /** The same as {@link status}, so that a provider in a JSON log shows no more. */
    toJSON(): Status;
}
