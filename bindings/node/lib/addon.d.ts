// Generated from src/ by scripts/build-native.mjs: do not edit.

/** A call that has been started. */
export declare class NativeCall {
  /** Ends the call with `cancelled`, unless it has ended. */
  cancel(): void
}

/** One that is under way. */
export declare class NativeExamination {
  /** The report, if it is done. */
  poll(): NativeReport | Failure | undefined
  /** Ends it. */
  stop(): void
}

/** One listener's events on their way. */
export declare class NativeObservation {
  /** The next event, if any. */
  take(): NativeEvent | null
}

/** One provider of one JavaScript environment. */
export declare class NativeProvider {
  /**
   * The warm read, as a function of its own: a bare closure costs Node-API a
   * sixth of what a method call on a native class does.
   *
   * The function returns the token's text when it differs from what it
   * returned before, `true` while it is still that, and `undefined` when no
   * token is usable. So a token becomes a JavaScript string once.
   */
  reader(kind: 'subject' | 'access'): () => string | true | undefined
  /**
   * Starts a call. `ring` is called when ended calls can be taken; until
   * this one has ended, it keeps the event loop alive.
   */
  start(kind: 'subject' | 'access', call: number, timeoutSeconds: number | undefined | null, ring: () => void): NativeCall
  /** The next ended call, if any. */
  take(): Completion | null
  /** What is known about the token, if one is usable. */
  details(kind: 'subject' | 'access'): NativeToken | null
  /** Begins to examine the provider's settings. */
  examine(jwksFile?: string | undefined | null, adminKeyEnv?: string | undefined | null): NativeExamination | Failure
  invalidate(token: string): void
  /**
   * `ring` is called when events can be taken, and keeps no event loop alive.
   * It is held until it is replaced, stopped, or the provider is gone.
   */
  observe(ring: () => void): NativeObservation
  stopObserving(): void
  status(): NativeStatus
  workloadIdentity(): NativeWorkloadIdentity | Failure
  close(): void
}

/** One ended call, as JavaScript sees it: either `token` or `failure`. */
export interface Completion {
  /** The number that `start` was given. */
  call: number
  token?: string
  failure?: Failure
}

/** Begins to examine what `settings` and the process environment make. */
export declare function examine(settings: Settings, jwksFile?: string | undefined | null, adminKeyEnv?: string | undefined | null): NativeExamination | Failure

/** What `SvidexError` is made from. */
export interface Failure {
  /** One of the closed set of kinds, such as `exchange_rejected`. */
  code: string
  /** What failed, where, and what to do next. */
  message: string
  /** HTTP status of the token endpoint's answer. */
  httpStatus?: number
  /** OAuth `error` code of the token endpoint's answer. */
  oauthCode?: string
  /** `Retry-After` of the token endpoint's answer, in milliseconds. */
  retryAfterMs?: number
  /** Whether the same call may succeed later with nothing changed. */
  retryable: boolean
}

export interface NativeCheck {
  id: string
  outcome: 'ok' | 'warning' | 'failed' | 'skipped'
  seen: string
  advice: Array<string>
}

/** One event, as JavaScript sees it. */
export interface NativeEvent {
  level: string
  kind: string
  message: string
  atMs: number
  failure?: Failure
  /** How many were dropped right before this one; absent if none. */
  dropped?: number
}

export interface NativeLastError {
  code: string
  message: string
  atMs: number
  httpStatus?: number
  oauthCode?: string
}

/** See `Report` in `lib/doctor.ts`. */
export interface NativeReport {
  svidex: string
  atMs: number
  healthy: boolean
  checks: Array<NativeCheck>
  text: string
}

/** See `Status` in `lib/status.ts`. */
export interface NativeStatus {
  source: string
  audience: string
  spiffeId: string | null
  subjectToken: NativeTokenStatus | null
  accessToken: NativeTokenStatus | null
  fetches: number
  fetchFailures: number
  exchanges: number
  exchangeFailures: number
  lastError: NativeLastError | null
  warnings: Array<string>
  closed: boolean
}

/** A token with what is known about it. */
export interface NativeToken {
  text: string
  expiresAtMs: number
  spiffeId: string
  scope?: string
}

export interface NativeTokenStatus {
  expiresAtMs: number
  expiresInSeconds: number
  ageSeconds: number
}

/** What an OpenAI client needs beside the callback. */
export interface NativeWorkloadIdentity {
  identityProviderId: string
  serviceAccountId: string
  clientId?: string
  refreshBufferSeconds: number
}

/**
 * Makes a provider; with `from_env`, what `settings` leaves out comes from the
 * variables. They are JavaScript's: a worker, a test runner and other runtimes have an
 * environment that is not the process's.
 */
export declare function open(settings: Settings, variables: Record<string, string>, fromEnv: boolean): NativeProvider | Failure

/**
 * Runs the command with these arguments, its name first, and gives its exit status.
 * The process has to be its own: signals are handled as a program's from now on.
 */
export declare function runCommand(arguments: Array<string>): number

/**
 * The options of a provider. Names and types were checked on the JavaScript
 * side; what the values mean is core's business.
 */
export interface Settings {
  endpointSocket?: string
  identityTokenFile?: string
  accessTokenFile?: string
  audience?: string
  spiffeId?: string
  hint?: string
  identityProviderId?: string
  serviceAccountId?: string
  clientId?: string
  tokenEndpoint?: string
  caFile?: string
  refreshBufferSeconds?: number
  requestTimeoutSeconds?: number
  callTimeoutSeconds?: number
}

/** The environment variables that count. */
export declare function variables(): Array<string>

/** Version of the native library. */
export declare function version(): string

/** `words` without those that look like tokens or keys: for what is echoed. */
export declare function withoutTokens(words: string): string
