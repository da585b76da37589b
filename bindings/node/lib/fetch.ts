import type { SvidexError } from './errors';
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
  { hosts, fetch: given }: FetchOptions = {},
): typeof globalThis.fetch {
  const may = originsOf(hosts);
  const send: typeof globalThis.fetch = (input, init) => (given ?? globalThis.fetch)(input, init);
  return async (input, init) => {
    const request = input instanceof Request ? input : undefined;
    const url = new URL(request?.url ?? String(input));
    if (!may(url)) return send(input, init);
    const headers = new Headers(init?.headers ?? request?.headers);
    const signal = init?.signal ?? request?.signal;
    return replaying(provider, {
      token: await provider.accessToken({ signal }).catch(asOfFetch),
      replayable: canBeSentAgain(init?.body ?? request?.body),
      send: (token) => {
        headers.set('authorization', `Bearer ${token}`);
        return send(input, { ...init, headers });
      },
    });
  };
}

/**
 * What time may heal, as `fetch` says that there was no network: whoever retries that
 * retries this.
 */
function asOfFetch(error: unknown): never {
  if ((error as Partial<SvidexError> | undefined)?.retryable) {
    throw new TypeError('fetch failed', { cause: error });
  }
  throw error;
}

/** @internal A request that can be sent with one token, and then with another. */
export interface Replay {
  token: string;
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
  { token, replayable, send }: Replay,
): Promise<Response> {
  const response = await send(token);
  const suspect = suspects.get(provider) === token;
  if (suspect && response.ok) suspects.delete(provider);
  // After a redirect it is another server's word: a token stays with its origin.
  if (response.status !== UNAUTHORIZED || response.redirected || suspect) return response;
  provider.invalidate(token);
  if (!replayable) return response;
  let newer: string;
  try {
    newer = await provider.accessToken();
  } catch (error) {
    await response.body?.cancel();
    throw error;
  }
  if (newer === token) return response;
  await response.body?.cancel();
  const second = await send(newer);
  if (second.status === UNAUTHORIZED && !second.redirected) suspects.set(provider, newer);
  return second;
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
