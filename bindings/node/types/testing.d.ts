/**
 * A provider for unit tests: no native code, no network, no waiting.
 *
 * ```js
 * import { FakeProvider } from 'svidex/testing';
 *
 * test('a refused token is replaced', async () => {
 *   const provider = new FakeProvider();
 *   provider.invalidate(await provider.accessToken());
 *   assert.equal(await provider.accessToken(), 'access-token-2');
 * });
 * ```
 *
 * @packageDocumentation
 */
import { type FetchOptions } from './fetch';
import { type OpenAIClass, type OpenAIOptions } from './openai';
import type { CallOptions } from './options';
import { type SocketOptions, type WithHandshake } from './sockets';
import type { TokenDetails, TokenProvider } from './tokens';
export { SvidexError } from './errors';
/**
 * Gives `subject-token-1` and `access-token-1`, and after an `invalidate` those
 * with the next number.
 */
export declare class FakeProvider implements TokenProvider {
    private readonly options;
    /** What every call for a token rejects with, for as long as it is set. */
    error: Error | undefined;
    /** The tokens that were held when somebody invalidated them, in order. */
    readonly invalidated: string[];
    /** How often a token was asked for. */
    calls: number;
    private readonly numbers;
    constructor(options?: {
        error?: Error;
        spiffeId?: string;
        scope?: string;
        lifetimeSeconds?: number;
    });
    getToken(options?: CallOptions): Promise<string>;
    accessToken(options?: CallOptions): Promise<string>;
    heldAccessToken(): string | undefined;
    getTokenDetails(options?: CallOptions): Promise<TokenDetails>;
    accessTokenDetails(options?: CallOptions): Promise<TokenDetails>;
    invalidate(token: string): void;
    openai<Base extends OpenAIClass>(base: Base, options?: OpenAIOptions<Base>): InstanceType<Base>;
    fetch(options?: FetchOptions): typeof globalThis.fetch;
    socketOptions(options?: SocketOptions): WithHandshake;
    private ask;
    private text;
    private details;
}
