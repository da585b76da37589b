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
