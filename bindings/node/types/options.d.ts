/**
 * What a provider is made from. Everything is optional; `undefined` counts as
 * left out. {@link Provider.fromEnv} fills what is left out from the variables
 * named below.
 */
export interface ProviderOptions {
    /**
     * Where the SPIFFE Workload API listens: `unix:///path`, `unix:/path` or
     * `tcp://IP:port`. `SPIFFE_ENDPOINT_SOCKET`.
     */
    endpointSocket?: string | undefined;
    /**
     * A file that a sidecar keeps filled with a JWT-SVID, read anew at each
     * renewal. `OPENAI_IDENTITY_TOKEN_FILE`; of the two variables this one wins.
     */
    identityTokenFile?: string | undefined;
    /**
     * A file that `svidex bridge` keeps filled with an access token, read anew when
     * it is due: where `accessToken` comes from then, instead of an exchange. It needs
     * no source of SVIDs and no IDs, and gives no SVIDs. `SVIDEX_ACCESS_TOKEN_FILE`.
     */
    accessTokenFile?: string | undefined;
    /**
     * The audience to ask for and to insist on. Default
     * `https://api.openai.com/v1`. `SVIDEX_AUDIENCE`.
     */
    audience?: string | undefined;
    /**
     * The SPIFFE ID to ask for, or to insist on in a token file. Default: the
     * first identity that the Workload API returns. `SVIDEX_SPIFFE_ID`.
     */
    spiffeId?: string | undefined;
    /** Chooses among several identities of the Workload API by their hint. */
    hint?: string | undefined;
    /** The Workload Identity Provider's ID, for access tokens. `OPENAI_IDENTITY_PROVIDER_ID`. */
    identityProviderId?: string | undefined;
    /** The service account's ID, for access tokens. `OPENAI_SERVICE_ACCOUNT_ID`. */
    serviceAccountId?: string | undefined;
    /** An OAuth client ID, sent along if set. */
    clientId?: string | undefined;
    /**
     * Where tokens are exchanged: https, or http on loopback. Default: OpenAI's.
     * `SVIDEX_TOKEN_ENDPOINT`.
     */
    tokenEndpoint?: string | undefined;
    /**
     * A PEM file with the only CAs to trust for the token endpoint. Default:
     * `SSL_CERT_FILE` and `SSL_CERT_DIR`, else the system's roots. (The CA
     * settings of Node itself do not apply: the exchange is native.)
     */
    caFile?: string | undefined;
    /**
     * How long before its end a token is renewed, in seconds; never more than
     * half its life. Default 1200.
     */
    refreshBufferSeconds?: number | undefined;
    /** Deadline of one attempt to fetch or to exchange, in seconds. Default 10. */
    requestTimeoutSeconds?: number | undefined;
    /** Deadline of one call that has to wait, in seconds. Default 30. */
    callTimeoutSeconds?: number | undefined;
}
/** What one call may be given. */
export interface CallOptions {
    /** Ends the call with `cancelled` when aborted; its reason becomes the error's `cause`. */
    signal?: AbortSignal | undefined;
    /** Deadline of this call, in seconds. Default: the provider's `callTimeoutSeconds`. */
    timeoutSeconds?: number | undefined;
}
/** What an examination of a provider may be given. */
export interface ExaminationOptions {
    /** Ends the examination with `cancelled` when aborted. */
    signal?: AbortSignal | undefined;
    /**
     * The JWKS that an administrator uploads, or has uploaded, to the Workload Identity
     * Provider: it is looked at, too.
     */
    jwksFile?: string | undefined;
    /**
     * The name of the environment variable with an admin key of the organization: the
     * Workload Identity Provider and its mappings are compared, too. The key is never
     * shown, and goes to OpenAI's API alone. It is read from the process's environment.
     */
    adminKeyEnv?: string | undefined;
}
/** The same, with what a provider would be made from. */
export interface DoctorOptions extends ProviderOptions, ExaminationOptions {
}
