import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { optionsGiven } from './given';
import { originsOf } from './hosts';
import type { TokenProvider } from './tokens';

/** What {@link Provider.socketOptions} may be given, beside options of `ws`. */
export interface SocketOptions {
  /** Where the token may go: see {@link FetchOptions.hosts}. */
  hosts?: readonly string[] | undefined;
  /** An option of `ws`. */
  [option: string]: unknown;
}

/** Options for `ws`, and for the SDK's sockets, which hand them on. */
export type WithHandshake = Record<string, unknown> & {
  finishRequest(request: ClientRequest): void;
};

const UNAUTHORIZED = 401;

// Until the handshake is finished: openai 7 opens no socket without credentials.
const PLACEHOLDER = 'Bearer svidex';

/**
 * @internal See {@link Provider.socketOptions}. `ws` lets its caller finish the request
 * of a handshake, when connecting and when connecting again.
 */
export function socketOptionsWith(provider: TokenProvider, given?: SocketOptions): WithHandshake {
  const { hosts, headers, ...options } = optionsGiven(given);
  const own = optionsGiven(headers as object | undefined, 'headers');
  const may = originsOf(hosts);
  return {
    ...options,
    headers: { authorization: PLACEHOLDER, ...own },
    finishRequest: (request) => void finish(provider, may, options, request),
  };
}

async function finish(
  provider: TokenProvider,
  may: (url: URL) => boolean,
  options: RequestOptions,
  request: ClientRequest,
): Promise<void> {
  const emit = request.emit.bind(request) as (event: string, ...args: unknown[]) => boolean;
  const origin = new URL(`${request.protocol}//${request.getHeader('host')}`);
  // A header may name another host than the one that is connected to.
  origin.hostname = request.host.includes(':') ? `[${request.host}]` : request.host;
  if (!may(origin)) {
    if (request.getHeader('authorization') === PLACEHOLDER) request.removeHeader('authorization');
    request.end();
    return;
  }
  try {
    const used = await provider.accessToken();
    // `ws` has given up on a request that was destroyed meanwhile.
    if (request.destroyed) return;
    request.setHeader('authorization', `Bearer ${used}`);
    // Whoever waits for the answer sees the second one in place of a first 401.
    request.emit = (event: string | symbol, ...args: unknown[]) => {
      const [response] = args as [IncomingMessage];
      if (event !== 'response' || response.statusCode !== UNAUTHORIZED) {
        return emit(event as string, ...args);
      }
      again(provider, options, request, response, used, origin, emit).catch((error) =>
        emit('error', error),
      );
      return true;
    };
    request.end();
  } catch (error) {
    emit('error', error);
  }
}

async function again(
  provider: TokenProvider,
  options: RequestOptions,
  first: ClientRequest,
  refused: IncomingMessage,
  used: string,
  origin: URL,
  emit: (event: string, ...args: unknown[]) => boolean,
): Promise<void> {
  provider.invalidate(used);
  const newer = await provider.accessToken();
  if (first.destroyed) return;
  if (newer === used) {
    emit('response', refused);
    return;
  }
  const { request } = await import(origin.protocol === 'https:' ? 'node:https' : 'node:http');
  const second: ClientRequest = request(origin, {
    ...options,
    path: first.path,
    headers: { ...first.getHeaders(), authorization: `Bearer ${newer}` },
  });
  for (const event of ['upgrade', 'response', 'error']) {
    second.on(event, (...args) => emit(event, ...args));
  }
  // No agent looks after the connection that was refused: it would keep the process.
  end(first);
  // Who gives up on the one gives up on the other.
  first.destroy = (error) => {
    end(second, error);
    return first;
  };
  first.abort = () => end(second);
  second.end();
}

/** With its connection, which a request that has its answer leaves open (Node.js 26). */
function end(request: ClientRequest, error?: Error): void {
  const { socket } = request;
  request.destroy(error);
  socket?.destroy();
}
