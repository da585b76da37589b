import type { Settings } from './addon';
import { described, invalid, optionsGiven } from './given';
import { addon } from './native';

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
export interface DoctorOptions extends ProviderOptions, ExaminationOptions {}

type Kind = 'string' | 'number';

// Keyed by every option, so that the compiler misses none.
const PROVIDER_OPTIONS: { readonly [Name in keyof Required<ProviderOptions>]: Kind } = {
  endpointSocket: 'string',
  identityTokenFile: 'string',
  accessTokenFile: 'string',
  audience: 'string',
  spiffeId: 'string',
  hint: 'string',
  identityProviderId: 'string',
  serviceAccountId: 'string',
  clientId: 'string',
  tokenEndpoint: 'string',
  caFile: 'string',
  refreshBufferSeconds: 'number',
  requestTimeoutSeconds: 'number',
  callTimeoutSeconds: 'number',
};

const EXAMINATION_OPTIONS = ['signal', 'jwksFile', 'adminKeyEnv'];

const CALL_OPTIONS = ['signal', 'timeoutSeconds'];

/**
 * @internal Names and types, which JavaScript leaves open; native code judges
 * the values.
 */
export function checkProviderOptions(options: unknown): Settings {
  const given = namedOnly(options, Object.keys(PROVIDER_OPTIONS));
  const settings: Record<string, string | number> = {};
  for (const [name, kind] of Object.entries(PROVIDER_OPTIONS)) {
    const value = given[name];
    if (value === undefined) continue;
    settings[name] = kind === 'string' ? text(name, value) : number(name, value);
  }
  return settings;
}

/**
 * @internal Of `names`, those that are set, as this program sees them: it may have put
 * another object in the place of `process.env`, or run where that is not the process's.
 */
export function environmentOf(names: readonly string[]): Record<string, string> {
  const { env } = process;
  const set = names.filter((name) => env[name] !== undefined);
  return Object.fromEntries(set.map((name) => [name, String(env[name])]));
}

/** @internal The same for what a call is given. */
export function checkCallOptions(options: unknown): CallOptions {
  const { signal, timeoutSeconds } = namedOnly(options, CALL_OPTIONS);
  const checked = checkSignal(signal);
  if (timeoutSeconds === undefined) return { signal: checked };
  const seconds = number('timeoutSeconds', timeoutSeconds);
  if (!(seconds >= 0 && Number.isFinite(seconds))) {
    throw invalid(`timeoutSeconds is ${seconds}: it must be 0 or more, and finite`);
  }
  return { signal: checked, timeoutSeconds: seconds };
}

function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined || isAbortSignal(signal)) return signal;
  throw invalid(`signal must be an AbortSignal, not ${described(signal)}`);
}

/** @internal The same for an examination. */
export function checkExaminationOptions(options: unknown): ExaminationOptions {
  const { signal, jwksFile, adminKeyEnv } = namedOnly(options, EXAMINATION_OPTIONS);
  return {
    signal: checkSignal(signal),
    jwksFile: jwksFile === undefined ? undefined : text('jwksFile', jwksFile),
    adminKeyEnv: adminKeyEnv === undefined ? undefined : text('adminKeyEnv', adminKeyEnv),
  };
}

/** @internal The same for one with settings. */
export function checkDoctorOptions(options: unknown): ExaminationOptions & { settings: Settings } {
  const names = [...Object.keys(PROVIDER_OPTIONS), ...EXAMINATION_OPTIONS];
  const { signal, jwksFile, adminKeyEnv, ...settings } = namedOnly(options, names);
  return {
    ...checkExaminationOptions({ signal, jwksFile, adminKeyEnv }),
    settings: checkProviderOptions(settings),
  };
}

/** @internal A token, as `invalidate` takes it. */
export function checkToken(token: unknown): string {
  return text('token', token);
}

/** @internal A listener, as `observe` takes it. */
export function checkListener<T>(listener: T): T {
  if (typeof listener === 'function') return listener;
  throw invalid(`listener must be a function, not ${described(listener)}`);
}

function namedOnly(options: unknown, names: readonly string[]): Record<string, unknown> {
  const given = optionsGiven(options as Record<string, unknown> | undefined);
  for (const name of Object.keys(given)) {
    if (!names.includes(name)) throw invalid(unknownOption(name, names));
  }
  return given;
}

function unknownOption(name: string, names: readonly string[]): string {
  const bare = (text: string): string => text.replaceAll(/[_-]/g, '').toLowerCase();
  const meant = names.find((known) => bare(known) === bare(name));
  const hint = meant === undefined ? `there are ${names.join(', ')}` : `write ${meant}`;
  // A name may be anything, a token even: shown shortened and escaped, or not at all.
  const shown =
    addon.withoutTokens(name) === name ? JSON.stringify(name.slice(0, 64)) : '[redacted]';
  return `there is no option ${shown}: ${hint}`;
}

function text(name: string, value: unknown): string {
  if (typeof value !== 'string') {
    throw invalid(`${name} must be a string, not ${described(value)}`);
  }
  // Would reach native code with replacement characters in it.
  if (!value.isWellFormed()) throw invalid(`${name} is not well-formed: it has a lone surrogate`);
  return value;
}

function number(name: string, value: unknown): number {
  if (typeof value !== 'number') {
    throw invalid(`${name} must be a number of seconds, not ${described(value)}`);
  }
  return value;
}

function isAbortSignal(value: unknown): value is AbortSignal {
  // By shape: a signal may come from another realm, or from a polyfill.
  const signal = value as Partial<AbortSignal> | null;
  return (
    typeof signal === 'object' &&
    typeof signal?.aborted === 'boolean' &&
    typeof signal.addEventListener === 'function' &&
    typeof signal.removeEventListener === 'function'
  );
}
