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

import { SvidexError } from './errors';
import { type FetchOptions, fetchWith } from './fetch';
import { type OpenAIClass, type OpenAIOptions, openaiClient } from './openai';
import type { CallOptions } from './options';
import { type SocketOptions, socketOptionsWith, type WithHandshake } from './sockets';
import type { TokenDetails, TokenProvider } from './tokens';

export { SvidexError } from './errors';

type Kind = 'subject' | 'access';

/**
 * Gives `subject-token-1` and `access-token-1`, and after an `invalidate` those
 * with the next number.
 */
export class FakeProvider implements TokenProvider {
  /** What every call for a token rejects with, for as long as it is set. */
  error: Error | undefined;
  /** The tokens that were held when somebody invalidated them, in order. */
  readonly invalidated: string[] = [];
  /** How often a token was asked for. */
  calls = 0;

  private readonly numbers: Record<Kind, number> = { subject: 1, access: 1 };

  constructor(
    private readonly options: {
      error?: Error;
      spiffeId?: string;
      scope?: string;
      lifetimeSeconds?: number;
    } = {},
  ) {
    this.error = options.error;
  }

  getToken(options?: CallOptions): Promise<string> {
    return this.ask('subject', options);
  }

  accessToken(options?: CallOptions): Promise<string> {
    return this.ask('access', options);
  }

  heldAccessToken(): string | undefined {
    return this.error === undefined ? this.text('access') : undefined;
  }

  async getTokenDetails(options?: CallOptions): Promise<TokenDetails> {
    return this.details(await this.getToken(options));
  }

  async accessTokenDetails(options?: CallOptions): Promise<TokenDetails> {
    const { scope } = this.options;
    const details = this.details(await this.accessToken(options));
    return scope === undefined ? details : { ...details, scope };
  }

  invalidate(token: string): void {
    for (const kind of ['subject', 'access'] as const) {
      if (token !== this.text(kind)) continue;
      this.invalidated.push(token);
      this.numbers[kind] += 1;
    }
  }

  openai<Base extends OpenAIClass>(base: Base, options?: OpenAIOptions<Base>): InstanceType<Base> {
    return openaiClient(this, base, options);
  }

  fetch(options?: FetchOptions): typeof globalThis.fetch {
    return fetchWith(this, options);
  }

  socketOptions(options?: SocketOptions): WithHandshake {
    return socketOptionsWith(this, options);
  }

  private async ask(kind: Kind, options?: CallOptions): Promise<string> {
    this.calls += 1;
    if (options?.signal?.aborted) throw new SvidexError('cancelled', 'the call was cancelled');
    if (this.error !== undefined) throw this.error;
    return this.text(kind);
  }

  private text(kind: Kind): string {
    return `${kind}-token-${this.numbers[kind]}`;
  }

  private details(text: string): TokenDetails {
    const { spiffeId = 'spiffe://example.org/test', lifetimeSeconds = 300 } = this.options;
    return { text, spiffeId, expiresAt: new Date(Date.now() + lifetimeSeconds * 1000) };
  }
}
