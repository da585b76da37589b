import type { SvidexError } from './errors';
import { described, invalid, optionsGiven } from './given';
import { originsOf } from './hosts';
import type { TokenProvider } from './tokens';

/** What {@link Provider.fetch} may be given. */
export interface FetchOptions {
  /**
   * Where the token may go: `host`, `host:port` (both https), or an origin with
   * its scheme, such as `http://127.0.0.1:8080`. Default: OpenAI's API,
   * data-residency hosts included. Requests to others are sent without a token.
   */
  hosts?: readonly string[] | undefined;
  /** What sends the requests. Default: the global `fetch`. */
  fetch?: typeof globalThis.fetch | undefined;
}

const UNAUTHORIZED = 401;

/** @internal See {@link Provider.fetch}. */
export function fetchWith(
  provider: TokenProvider,
  options?: FetchOptions,
): typeof globalThis.fetch {
  // `fetch: provider.fetch`, and not what it gives: whoever calls that calls us with a URL.
  if (typeof options === 'string' || options instanceof URL || 'url' in Object(options)) {
    throw invalid('call it for a fetch: provider.fetch(), with no URL');
  }
  const { hosts, fetch: given, ...others } = optionsGiven(options);
  if (Object.keys(others).length > 0) throw invalid('the options are hosts and fetch, no others');
  if (given !== undefined && typeof given !== 'function') {
    throw invalid(`fetch must be a function, not ${described(given)}`);
  }
  const may = originsOf(hosts);
  const send: typeof globalThis.fetch = (input, init) => (given ?? globalThis.fetch)(input, init);
  return async (to, how) => {
    // A Request in the place of options has all of them, but none that `...` would find.
    const [input, init] = 'url' in Object(how) ? [new Request(to, how), undefined] : [to, how];
    // Of undici too, or a polyfill: each goes with a `fetch` of its own.
    const request = typeof input === 'object' && 'url' in input ? input : undefined;
    const url = new URL(request?.url ?? String(input));
    if (!may(url)) return send(input, init);
    const headers = new Headers(init?.headers ?? request?.headers);
    const signal = init?.signal ?? request?.signal;
    const ask = () => provider.accessToken({ signal }).catch((error) => asOfFetch(error, signal));
    return replaying(provider, {
      url,
      token: await ask(),
      ask,
      replayable: canBeSentAgain(init?.body ?? request?.body),
      send: (token) => {
        headers.set('authorization', `Bearer ${token}`);
        return send(input, { ...init, headers });
      },
    });
  };
}

/**
 * An abort as `fetch` tells it. What time may heal, as it says that there was no
 * network: whoever retries that retries this.
 */
function asOfFetch(error: unknown, signal: AbortSignal | null | undefined): never {
  signal?.throwIfAborted();
  if ((error as Partial<SvidexError> | undefined)?.retryable) {
    throw new TypeError('fetch failed', { cause: error });
  }
  throw error;
}

/** @internal A request that can be sent with one token, and then with another. */
export interface Replay {
  url: URL;
  token: string;
  /** Asks for the token to replace it with. */
  ask(): Promise<string>;
  /** Whether its body can be had again. */
  replayable: boolean;
  send(token: string): Promise<Response>;
}

// A token that replaced a refused one and was refused as well, by provider. Then it is
// not the token that is wrong, and yet another exchange, one for every request, would
// only hide the server's answer behind a wait.
const suspects = new WeakMap<TokenProvider, string>();

/**
 * @internal Sends a request, and if it is answered 401 once more with a new token.
 * The refused token is not used again, by nobody.
 */
export async function replaying(
  provider: TokenProvider,
  { url, token, ask, replayable, send }: Replay,
): Promise<Response> {
  const response = await send(token);
  const suspect = suspects.get(provider) === token;
  if (suspect && response.ok) suspects.delete(provider);
  if (!isRefused(response, url) || suspect) return response;
  provider.invalidate(token);
  if (!replayable) return response;
  let newer: string;
  try {
    newer = await ask();
  } catch (error) {
    await response.body?.cancel();
    throw error;
  }
  if (newer === token) return response;
  await response.body?.cancel();
  const second = await send(newer);
  if (isRefused(second, url)) suspects.set(provider, newer);
  return second;
}

/** Whether it is the token that was answered 401. A redirect to another origin leaves it behind. */
function isRefused(response: Response, { origin }: URL): boolean {
  if (response.status !== UNAUTHORIZED) return false;
  return !response.redirected || new URL(response.url).origin === origin;
}

/** @internal A stream can be read once; everything else again. */
export function canBeSentAgain(body: unknown): boolean {
  if (typeof body !== 'object' || body === null) return true;
  if (body instanceof FormData || body instanceof Blob || body instanceof URLSearchParams) {
    return true;
  }
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return true;
  // Of another realm, or a polyfill of them.
  return ['FormData', 'Blob', 'File'].includes(body.constructor?.name);
}
