import type { SvidexError } from './errors';
import { canBeSentAgain, replaying } from './fetch';
import { invalid, optionsGiven } from './given';
import { originsOf } from './hosts';
import type { TokenProvider } from './tokens';

/** OpenAI's class, of whichever version: `OpenAI` as `openai` exports it. */
export type OpenAIClass = new (
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own type, of many versions
  options?: any,
) => object;

/** What the SDK's class takes, without the credentials. */
export type OpenAIOptions<Base extends OpenAIClass> = Omit<
  NonNullable<ConstructorParameters<Base>[0]>,
  'apiKey' | 'workloadIdentity' | 'provider'
>;

/** What we use of the SDK's client; the same in its versions 6 and 7. */
interface Client {
  _options: { apiKey?: unknown };
  baseURL: string;
  timeout: number;
  fetchWithTimeout(
    url: string,
    init: RequestInit,
    timeout: number,
    controller: AbortController,
  ): Promise<Response>;
}

interface Asked {
  timeout?: number;
  signal?: AbortSignal | null;
  __security?: { bearerAuth?: boolean };
}

/** The SDK's: `nulls` are those that the caller wants not to be sent. */
interface BuiltHeaders {
  values: object;
  nulls: Set<string>;
}

/** What became of the question for a token, for one attempt at a request. */
type Answer = { token: string } | { error: unknown };

type Hook = (...args: never[]) => unknown;

const CREDENTIALS = ['apiKey', 'workloadIdentity', 'provider'];

/** @internal See {@link Provider.openai}. */
export function openaiClient<Base extends OpenAIClass>(
  provider: TokenProvider,
  base: Base,
  options: OpenAIOptions<Base> | undefined,
): InstanceType<Base> {
  if (typeof base !== 'function' || !('fetchWithAuth' in Object(base.prototype))) {
    throw invalid('the first argument must be the OpenAI class of openai 6.34 or later');
  }
  if (namesOf(base).includes('AzureOpenAI')) {
    throw invalid("the tokens are for OpenAI's API: Azure takes keys and tokens of its own alone");
  }
  const given: Record<string, unknown> = optionsGiven(options);
  for (const name of CREDENTIALS) {
    if (given[name] != null) {
      throw invalid(
        `${name} and svidex exclude each other: leave ${name} out, or use the class itself`,
      );
    }
  }
  const Ours = classFor(provider, base);
  return new Ours({ ...given, apiKey: keyOf(provider) }) as InstanceType<Base>;
}

/** A class's own name, and of those that it is derived from. */
function namesOf(base: OpenAIClass): string[] {
  const parent = Object.getPrototypeOf(base);
  return typeof parent === 'function' ? [base.name, ...namesOf(parent)] : [];
}

/** The key function by which a client is known as ours, also in its copies. */
function keyOf(provider: TokenProvider): () => Promise<string> {
  let key = keys.get(provider);
  if (key === undefined) {
    key = () => provider.accessToken();
    keys.set(provider, key);
  }
  return key;
}

const keys = new WeakMap<TokenProvider, () => Promise<string>>();
const classes = new WeakMap<TokenProvider, WeakMap<OpenAIClass, OpenAIClass>>();

/**
 * The SDK's class with its hooks for credentials overridden. The token is put on a
 * request when it is sent, where a failure is retried, and a 401 seen.
 */
function classFor(provider: TokenProvider, base: OpenAIClass): OpenAIClass {
  const known = classes.get(provider) ?? new WeakMap<OpenAIClass, OpenAIClass>();
  classes.set(provider, known);
  const made = known.get(base);
  if (made !== undefined) return made;

  const key = keyOf(provider);
  const toOpenAI = originsOf();
  const inherited = base.prototype as Record<string, Hook>;
  const failure = (base as unknown as { OpenAIError: new (m: string, o: object) => Error })
    .OpenAIError;
  const byOptions = new WeakMap<object, Answer>();
  const byRequest = new WeakMap<object, { answer: Answer; asked: Asked }>();
  // Headers out of which the caller took the credentials.
  const without = new WeakSet<object>();
  // A copy may have been given other credentials (`withOptions`).
  const isOurs = (client: Client): boolean => client._options.apiKey === key;
  const original = (client: Client, name: string, args: unknown[]): unknown =>
    (inherited[name] as (...args: unknown[]) => unknown).apply(client, args);

  const hooks = {
    async prepareOptions(this: Client, options: Asked): Promise<void> {
      if (!isOurs(this)) return (await original(this, 'prepareOptions', [options])) as undefined;
      if (options.__security && !options.__security.bearerAuth) return;
      byOptions.set(options, await ask(provider, this, options, failure));
    },

    async prepareRequest(
      this: Client,
      request: RequestInit,
      context: { url: string; options: Asked },
    ): Promise<void> {
      const answer = byOptions.get(context.options);
      if (answer !== undefined) byRequest.set(request, { answer, asked: context.options });
      await original(this, 'prepareRequest', [request, context]);
    },

    async bearerAuth(this: Client, ...args: unknown[]): Promise<unknown> {
      return isOurs(this) ? undefined : original(this, 'bearerAuth', args);
    },

    validateHeaders(this: Client, headers: BuiltHeaders, ...rest: unknown[]): void {
      if (!isOurs(this)) original(this, 'validateHeaders', [headers, ...rest]);
      else if (headers.nulls.has('authorization')) without.add(headers.values);
    },

    async fetchWithAuth(
      this: Client,
      url: string,
      init: RequestInit & { headers: Headers },
      timeout: number,
      controller: AbortController,
      ...rest: unknown[]
    ): Promise<Response> {
      const known = byRequest.get(init);
      const to = new URL(url);
      const own = init.headers.has('authorization') || without.has(init.headers);
      const foreign = to.origin !== new URL(this.baseURL).origin && !toOpenAI(to);
      if (known === undefined || own || foreign) {
        const args = [url, init, timeout, controller, ...rest];
        return original(this, 'fetchWithAuth', args) as Promise<Response>;
      }
      const { answer, asked } = known;
      if ('error' in answer) throw answer.error;
      return replaying(provider, {
        url: to,
        token: answer.token,
        ask: async () => {
          const again = await ask(provider, this, asked, failure);
          if ('error' in again) throw again.error;
          return again.token;
        },
        replayable: canBeSentAgain(init.body),
        send: (token) => {
          init.headers.set('authorization', `Bearer ${token}`);
          return this.fetchWithTimeout(url, init, timeout, controller);
        },
      });
    },
  };

  // Of the same name, which the SDK puts into `User-Agent`.
  const Ours = { [base.name]: class extends base {} }[base.name] as OpenAIClass;
  for (const [name, value] of Object.entries(hooks)) {
    Object.defineProperty(Ours.prototype, name, { value, writable: true, configurable: true });
  }
  // What sockets put into their header, which cannot wait: a token that is good now.
  const stored = new WeakMap<object, string | null>();
  Object.defineProperty(Ours.prototype, 'apiKey', {
    get(this: Client): string | null {
      const held = isOurs(this) ? provider.heldAccessToken() : undefined;
      return held ?? stored.get(this) ?? null;
    },
    set(this: Client, value: string | null) {
      stored.set(this, value);
    },
    configurable: true,
  });
  known.set(base, Ours);
  return Ours;
}

/**
 * A token for one attempt. A failure that time may heal is kept for where the SDK
 * retries; any other is final, and the SDK's own.
 */
async function ask(
  provider: TokenProvider,
  client: Client,
  { timeout, signal }: Asked,
  OpenAIError: new (message: string, options: object) => Error,
): Promise<Answer> {
  const held = provider.heldAccessToken();
  if (held !== undefined) return { token: held };
  const limit = after(timeout ?? client.timeout);
  try {
    const either = signal ? AbortSignal.any([signal, limit]) : limit;
    return { token: await provider.accessToken({ signal: either }) };
  } catch (error) {
    if (limit.aborted || signal?.aborted) {
      // In the words by which the SDK knows one.
      return { error: new Error('timed out while waiting for a token', { cause: error }) };
    }
    const ours = error as Partial<SvidexError> & { message?: string };
    if (ours.retryable) return { error };
    throw new OpenAIError(String(ours.message ?? error), { cause: error });
  }
}

// What a timer takes. Whether it is a time at all, the SDK says.
const LONGEST_MS = 2 ** 31 - 1;

function after(ms: number): AbortSignal {
  return AbortSignal.timeout(Math.min(Math.max(Math.ceil(ms) || 0, 0), LONGEST_MS));
}
