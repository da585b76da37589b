import type { ClientRequest } from 'node:http';
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
