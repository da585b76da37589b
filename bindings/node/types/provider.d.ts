import { type Report } from './doctor';
import { type ProviderEvent } from './events';
import { type FetchOptions } from './fetch';
import { type OpenAIClass, type OpenAIOptions } from './openai';
import { type CallOptions, type ExaminationOptions, type ProviderOptions } from './options';
import { type SocketOptions, type WithHandshake } from './sockets';
import { type Status } from './status';
import type { TokenDetails, TokenProvider } from './tokens';
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
export declare class Provider implements TokenProvider {
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
     * Makes a provider from `process.env`, as the calling thread sees it; what
     * `overrides` holds wins. An explicit source silences both source variables.
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
    /** The access token if one is held and usable. Never waits. */
    heldAccessToken(): string | undefined;
    /**
     * What {@link getToken} gives, with its end and its SPIFFE ID.
     *
     * @throws {SvidexError} by rejection
     */
    getTokenDetails(options?: CallOptions): Promise<TokenDetails>;
    /**
     * What {@link accessToken} gives, with its end, its SPIFFE ID and its scope.
     *
     * @throws {SvidexError} by rejection
     */
    accessTokenDetails(options?: CallOptions): Promise<TokenDetails>;
    /**
     * A client of OpenAI's SDK (6.34 and later, 7) with the access token of this
     * provider: `provider.openai(OpenAI)`, and what `OpenAI` takes beside credentials.
     *
     * It is an instance of that class, and does all that those do. The token is
     * renewed in the background. A request that is answered 401 is sent once more with
     * a new one, if its body can be had again. A failure to get a token is an
     * `OpenAIError` with ours as its cause; one that time may heal is first retried by
     * the SDK's rules, and is an `APIConnectionError` in the end.
     *
     * @throws {SvidexError} `invalid_config` if it is not that class, or has other credentials
     */
    openai<Base extends OpenAIClass>(base: Base, options?: OpenAIOptions<Base>): InstanceType<Base>;
    /**
     * A `fetch` that puts the access token on requests to hosts that may have it, and
     * sends one that is answered 401 once more with a new token, unless its body is a
     * stream, as that of a `Request` is. For want of a token it fails as `fetch` does for
     * want of a network, with a `TypeError` that has ours as its cause, if time may heal
     * that; else with ours.
     *
     * @throws {SvidexError} `invalid_config` for a wrong host, and if this very method is
     * used as a `fetch`
     */
    fetch(options?: FetchOptions): typeof globalThis.fetch;
    /**
     * For WebSockets of the package `ws`, also those of OpenAI's SDK: the options given,
     * with a handshake that asks for a token each time, and is sent once more with a new
     * one if it is answered 401. `new ResponsesWS(client, provider.socketOptions())`.
     *
     * @throws {SvidexError} `invalid_config` for a wrong host
     */
    socketOptions(options?: SocketOptions): WithHandshake;
    /**
     * For `new OpenAI({ workloadIdentity: provider.workloadIdentity() })`: the
     * SDK then exchanges the JWT-SVIDs that this provider hands it.
     *
     * @throws {SvidexError} `invalid_config` if the two IDs are not set
     */
    workloadIdentity(): WorkloadIdentity;
    /**
     * What {@link doctor} does, for this provider, with the settings that it was made
     * with. The provider is not disturbed: the examination fetches and exchanges for
     * itself.
     *
     * @throws {SvidexError} by rejection
     */
    doctor(options?: ExaminationOptions): Promise<Report>;
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
