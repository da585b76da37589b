// A program that uses all of the public types; `tsc --strict` must take it
// (test/package.test.mjs compiles it as CommonJS and as an ES module).
import {
  type CallOptions,
  type ErrorCode,
  type EventKind,
  type EventLevel,
  Provider,
  type ProviderEvent,
  type ProviderOptions,
  type Status,
  SvidexError,
  type TokenStatus,
  version,
  type WorkloadIdentity,
} from 'svidex';

declare const logger: Record<EventLevel, (fields: object, message: string) => void>;

const options: ProviderOptions = {
  endpointSocket: 'unix:///run/spire/agent.sock',
  hint: process.env.HINT,
  refreshBufferSeconds: 60,
};

export async function main(): Promise<string> {
  using provider = new Provider(options);
  const other: Provider = Provider.fromEnv();
  Provider.fromEnv({ clientId: 'client' });
  const call: CallOptions = { signal: AbortSignal.timeout(1000), timeoutSeconds: 1.5 };
  const svid: string = await provider.getToken(call);
  const unbound: () => Promise<string> = other.accessToken;
  const identity: WorkloadIdentity = provider.workloadIdentity();
  const again: string = await identity.provider.getToken();
  provider.invalidate(svid);
  other.observe(({ level, message, ...fields }: ProviderEvent) => logger[level](fields, message));
  other.observe(({ level, message }) => console[level === 'warning' ? 'warn' : level](message));
  other.observe(({ kind, at, error, dropped }) => {
    const what: EventKind = kind;
    console.log(what, at.toISOString(), error?.code, dropped?.toFixed());
  });
  other.stopObserving();
  const status: Status = provider.status();
  const token: TokenStatus | null = status.accessToken;
  const until: Date | undefined = token?.expiresAt;
  try {
    await unbound();
  } catch (error) {
    if (!(error instanceof SvidexError)) throw error;
    const code: ErrorCode = error.code;
    const http: number | undefined = error.httpStatus;
    const oauth: string | undefined = error.oauthCode;
    const wait: number | undefined = error.retryAfterMs;
    return [code, http, oauth, wait, error.retryable, error.cause].join();
  }
  provider.close();
  return [version, again, until?.toISOString(), status.warnings.length].join();
}

// @ts-expect-error: an option that does not exist
new Provider({ endpoint_socket: 'x' });
// @ts-expect-error: a wrong type
new Provider({ hint: 1 });
// @ts-expect-error: an option that does not exist
Provider.fromEnv({ apiKey: 'x' });
// @ts-expect-error: a field that does not exist
Provider.fromEnv().observe(({ token }) => token);
// @ts-expect-error: a code that does not exist
new SvidexError('no_such_code', '');
