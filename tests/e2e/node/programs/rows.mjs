// Executes rows of ../../rows.json with the official SDK: for each line that it reads,
// a row's name and a way into the SDK, it prints `ok` or what went wrong, as JSON.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { Provider, SvidexError } from 'svidex';
import { Emulator } from '../../../../bindings/node/test/support/emulator.mjs';
import { makeClient, OpenAI } from './sdk.mjs';

const sdk = process.env.SVIDEX_E2E_SDK;
const runtime = `node ${sdk === 'openai7' ? 'openai 7' : 'openai 6'}`;
const world = new Emulator(JSON.parse(process.env.SVIDEX_EMULATOR_INFO));
const known = [
  ...['name', 'ways', 'needs', 'settings', 'settings_of_a_long_run'],
  ...['environment', 'provider', 'client', 'steps'],
];
const needs = [undefined, 'emulator', 'emulator of its own'];
// Between the calls of a program that keeps calling.
const paceMs = 50;

const sdkErrors = {
  any: OpenAI.OpenAIError,
  authentication: OpenAI.AuthenticationError,
  connection: OpenAI.APIConnectionError,
  timeout: OpenAI.APIConnectionTimeoutError,
  oauth: (await import(sdk)).OAuthError,
};

const options = {
  provider: {
    spiffe_id: 'spiffeId',
    service_account_id: 'serviceAccountId',
    endpoint_socket: 'endpointSocket',
    identity_token_file: 'identityTokenFile',
    call_timeout_seconds: 'callTimeoutSeconds',
  },
  client: {
    max_retries: 'maxRetries',
    timeout_seconds: 'timeoutSeconds',
    base_url: 'baseURL',
    refresh_buffer_seconds: 'refreshBufferSeconds',
  },
};

/** The row's options by the names that they have here. */
function translated(what, row) {
  return Object.fromEntries(
    Object.entries(row[what] ?? {}).map(([name, value]) => {
      assert.ok(options[what][name], `this runner knows no ${name}`);
      return [options[what][name], value];
    }),
  );
}

/** One row, one of the ways into the SDK. */
class Run {
  // How often the SDK asked for a token, and we a question.
  asked = 0;
  questions = 0;
  held = new Set();

  constructor(row, way, directory) {
    for (const name of Object.keys(row)) {
      assert.ok(known.includes(name), `this runner knows no ${name}`);
    }
    assert.ok(needs.includes(row.needs), `this runner knows no ${row.needs}`);
    const [first, second] = world.info.spiffe_ids;
    this.file = join(directory, 'token');
    this.names = {
      ...world.info,
      ...{ first, second, foreign: 'spiffe://example.org/ns/somebody/sa/else' },
      ...{ file: this.file, nowhere: join(directory, 'nobody.sock') },
    };
    this.row = this.named(row);
    this.way = way;
  }

  async execute() {
    const { settings, settings_of_a_long_run: long, environment = {}, steps } = this.row;
    if (settings) await world.settings((process.env.SVIDEX_LONG && long) || settings);
    const variables = { ...process.env };
    try {
      for (const [name, value] of Object.entries(environment)) {
        if (value === null) delete process.env[name];
        else process.env[name] = value;
      }
      this.provider = Provider.fromEnv(translated('provider', this.row));
      this.client = await this.makeClient();
      this.base = await world.counters();
      for (const step of steps) {
        const [[verb, value], ...more] = Object.entries(this.here(step));
        assert.ok(Object.hasOwn(verbs, verb), `this runner knows no step ${verb}`);
        await verbs[verb](this, value, Object.fromEntries(more));
      }
    } finally {
      process.env = variables;
      this.provider?.close();
      for (const leg of this.held) await world.hold(leg, false);
      await world.heal();
    }
  }

  /** The step, as it is `unless` this is a runtime of which something else is known. */
  here({ unless = [], ...step }) {
    for (const { runtime: other, way, why, ...changes } of unless) {
      assert.ok(why);
      if (runtime.startsWith(other) && way === this.way) Object.assign(step, changes);
    }
    return step;
  }

  makeClient() {
    const { refreshBufferSeconds, timeoutSeconds, ...more } = translated('client', this.row);
    if (timeoutSeconds) more.timeout = timeoutSeconds * 1000;
    // Past the proxy, with the global `fetch`: no other takes the global `FormData`.
    if (more.baseURL) more.fetch = globalThis.fetch;
    const { provider } = this;
    if (this.way === 'client') {
      const get = provider.accessToken;
      provider.accessToken = this.counted((options) => get(options));
      return makeClient(provider, more);
    }
    if (this.way === 'access_token') {
      return makeClient({ apiKey: this.counted(() => provider.accessToken()) }, more);
    }
    assert.equal(this.way, 'callback', `this runner knows no way ${this.way}`);
    const { provider: callback, ...identity } = provider.workloadIdentity();
    if (refreshBufferSeconds !== undefined) {
      // A twentieth of five minutes; the row has one for the SVIDs that there are.
      assert.equal(identity.refreshBufferSeconds, 15);
      identity.refreshBufferSeconds = refreshBufferSeconds;
    }
    const getToken = this.counted(() => callback.getToken());
    return makeClient(
      { workloadIdentity: { ...identity, provider: { ...callback, getToken } } },
      more,
    );
  }

  counted(call) {
    return (...args) => {
      this.asked += 1;
      return call(...args);
    };
  }

  /** The model's answer, which names the SPIFFE ID behind the access token. */
  async ask(kind) {
    this.questions += 1;
    const model = 'gpt-5-mini';
    const question = { model, input: 'Who am I?' };
    const chat = { model, messages: [{ role: 'user', content: 'Who am I?' }] };
    const { client } = this;
    const asks = {
      models: async () => {
        assert.ok((await client.models.list()).data.length > 0);
      },
      responses: async () => (await client.responses.create(question)).output_text,
      chat: async () => (await client.chat.completions.create(chat)).choices[0].message.content,
      responses_stream: async () => {
        const deltas = [];
        for await (const event of await client.responses.create({ ...question, stream: true })) {
          if (event.type === 'response.output_text.delta') deltas.push(event.delta);
        }
        return this.joined(deltas);
      },
      chat_stream: async () => {
        const deltas = [];
        for await (const chunk of await client.chat.completions.create({ ...chat, stream: true })) {
          deltas.push(chunk.choices[0]?.delta.content ?? '');
        }
        return this.joined(deltas);
      },
    };
    assert.ok(Object.hasOwn(asks, kind), `this runner asks no ${kind}`);
    return asks[kind]();
  }

  joined(deltas) {
    assert.ok(deltas.length > 1);
    return deltas.join('');
  }

  async together(kind, count, leg) {
    if (leg) await world.hold(leg);
    const calls = Promise.allSettled(Array.from({ length: count }, () => this.ask(kind)));
    if (leg) {
      // All of them are in flight before any is answered.
      await world.waiting(leg, count).finally(() => world.hold(leg, false));
    }
    return (await calls).map(({ value, reason }) => {
      if (reason) throw reason;
      return value;
    });
  }

  async fails(kind, { sdk: name, ours, asked, message = '', ...unknown }) {
    assert.deepEqual(unknown, {});
    const before = this.asked;
    const error = await this.ask(kind).then(
      () => assert.fail('it was answered'),
      (thrown) => thrown,
    );
    if (name !== undefined) {
      assert.ok(sdkErrors[name], `this runner knows no error ${name}`);
      assert.ok(error instanceof sdkErrors[name], error);
    }
    const causes = [];
    for (let cause = error; cause !== undefined; cause = cause.cause) causes.push(cause);
    if (ours !== undefined) {
      assert.equal(causes.find((cause) => cause instanceof SvidexError)?.code, ours, error);
    }
    if (asked !== undefined) assert.equal(this.asked - before, asked);
    assert.ok(
      causes.some((cause) => cause.message.includes(message)),
      error,
    );
  }

  /** With what is written in braces by its name put in. */
  named(value) {
    if (typeof value === 'string') {
      return value.replace(/\{(\w+)\}/g, (all, name) => this.names[name] ?? all);
    }
    if (Array.isArray(value)) return value.map((inner) => this.named(inner));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key, this.named(inner)]),
    );
  }
}

const verbs = {
  async ask(run, kinds, { times = 1, at_once, together_at, answer, error, ...unknown }) {
    assert.deepEqual(unknown, {});
    for (const kind of [kinds].flat()) {
      for (let i = 0; i < times; i++) {
        if (error) {
          await run.fails(kind, error);
          continue;
        }
        const answers = at_once
          ? await run.together(kind, at_once, together_at)
          : [await run.ask(kind)];
        for (const text of answers) {
          if (kind !== 'models') assert.ok(text.includes(answer ?? run.names.first), text);
        }
      }
    }
  },

  async get(run, url, none) {
    assert.deepEqual(none, {});
    await run.client.get(url);
  },

  async upload(run, size, none) {
    assert.deepEqual(none, {});
    const file = new File([Buffer.alloc(size, 'x')], 'upload');
    assert.equal((await run.client.files.create({ file, purpose: 'user_data' })).bytes, size);
  },

  async socket(run, kind, none) {
    assert.deepEqual(none, {});
    const { OpenAIRealtimeWS } = await import(`${sdk}/realtime/ws`);
    const { ResponsesWS } = await import(`${sdk}/resources/responses/ws`);
    const isRealtime = kind === 'realtime';
    const options = run.provider.socketOptions({ hosts: [new URL(run.client.baseURL).origin] });
    const socket = isRealtime
      ? await OpenAIRealtimeWS.create(run.client, { model: 'gpt-realtime', options })
      : new ResponsesWS(run.client, options);
    const question = isRealtime ? {} : { model: 'gpt-5-mini', input: '?' };
    const last = isRealtime ? 'response.done' : 'response.completed';
    const heard = new Promise((resolve, reject) => {
      socket.on('error', reject);
      socket.on(last, (message) => {
        socket.close();
        resolve(message);
      });
    });
    if (isRealtime) await once(socket, 'session.created');
    socket.send({ type: 'response.create', ...question });
    assert.ok(JSON.stringify(await heard).includes(run.names.first));
  },

  async revoke(_run, _value, none) {
    assert.deepEqual(none, {});
    await world.revoke({ all: true });
  },

  async fault(_run, faults, none) {
    assert.deepEqual(none, {});
    for (const [leg, fault] of Object.entries(faults)) await world.fault(leg, fault);
  },

  async hold(run, leg, none) {
    assert.deepEqual(none, {});
    await world.hold(leg);
    run.held.add(leg);
  },

  async write_svid_of(run, spiffeId, none) {
    assert.deepEqual(none, {});
    const provider = Provider.fromEnv({ spiffeId });
    // As a sidecar does it: no reader ever sees half of it.
    writeFileSync(`${run.file}.new`, await provider.getToken());
    renameSync(`${run.file}.new`, run.file);
    provider.close();
  },

  /** What is held is given back, rather than waited for until it is due. */
  async renew({ provider }, which, none) {
    assert.deepEqual(none, {});
    assert.ok([true, 'subject_token', 'access_token'].includes(which));
    // In this order: an access token that is given back is exchanged anew at once.
    if (which !== 'access_token') provider.invalidate(await provider.getToken());
    if (which !== 'subject_token' && provider.status().accessToken) {
      provider.invalidate(await provider.accessToken());
    }
  },

  async new_client(run, _value, none) {
    assert.deepEqual(none, {});
    run.client = await run.makeClient();
  },

  /** Keeps asking; asks on while the renewal waits; until the counter has grown. */
  async rotate(run, leg, { times, ask, until, ...unknown }) {
    assert.deepEqual(unknown, {});
    const keepAsking = async (isEnough) => {
      while (!(await isEnough())) {
        await verbs.ask(run, 'responses', {});
        await delay(paceMs);
      }
    };
    for (let i = 0; i < times; i++) {
      const before = (await world.counters())[until];
      await world.hold(leg);
      let isWaiting = false;
      const waiting = world.waiting(leg).then(() => {
        isWaiting = true;
      });
      await keepAsking(() => isWaiting);
      await waiting;
      await verbs.ask(run, ask, {});
      await world.hold(leg, false);
      await keepAsking(async () => (await world.counters())[until] > before);
    }
  },

  async counted(run, expected, none) {
    assert.deepEqual(none, {});
    const now = await world.counters();
    for (const [name, value] of Object.entries(expected)) {
      const grown = now[name] - run.base[name];
      const wanted = value === 'asked' ? run.questions : value;
      const [low, high] = [wanted].flat().length === 2 ? wanted : [wanted, wanted];
      assert.ok(low <= grown && grown <= high, `${name}: ${grown}, not ${wanted}`);
    }
    run.base = now;
  },

  async connected(_run, hosts, none) {
    assert.deepEqual(none, {});
    const { proxy_connects: connects } = await world.counters();
    for (const host of hosts) assert.ok(connects[host] > 0, `${host} was not asked for`);
  },

  async source(run, source, none) {
    assert.deepEqual(none, {});
    assert.equal(run.provider.status().source, source);
  },

  async spiffe_id(run, spiffeId, none) {
    assert.deepEqual(none, {});
    assert.equal(run.provider.status().spiffeId, spiffeId);
  },
};

const { rows } = JSON.parse(readFileSync(new URL('../../rows.json', import.meta.url), 'utf8'));
for await (const line of createInterface(process.stdin)) {
  const { name, row = rows.find((one) => one.name === name), way, directory } = JSON.parse(line);
  let said = { ok: true };
  try {
    await new Run(row, way, directory).execute();
  } catch (error) {
    said = { ok: false, error: error.stack, cause: error.cause?.stack };
  }
  console.log(JSON.stringify(said));
}
