import type { CallOptions } from './options';
/**
 * A {@link Provider}, or what stands in for one: `FakeProvider` of
 * `svidex/testing` in tests. Write this where your own code takes one.
 */
export interface TokenProvider {
    getToken(options?: CallOptions): Promise<string>;
    accessToken(options?: CallOptions): Promise<string>;
    /** The access token if one is held and usable. Never waits. */
    heldAccessToken(): string | undefined;
    invalidate(token: string): void;
}
/** A token with what is known about it. */
export interface TokenDetails {
    /** A secret: what goes into the `Authorization` header after `Bearer`. */
    text: string;
    /** When it ends. A provider stops handing it out a little earlier. */
    expiresAt: Date;
    /** Of the JWT-SVID, or of the one that an access token was exchanged for. */
    spiffeId: string;
    /** What came with an access token (RFC 6749 section 3.3), if anything did. */
    scope?: string;
}
