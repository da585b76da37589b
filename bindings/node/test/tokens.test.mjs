// Warm and cold calls, from memory and through the emulator.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { Provider } from 'svidex';
import { claims } from './support/assertions.mjs';
import { startEmulator } from './support/emulator.mjs';

let emulator;
let atStart;

before(async () => {
  emulator = await startEmulator();
});
after(() => emulator.stop());
beforeEach(async () => {
  atStart = await emulator.counters();
});

async function counted() {
  const now = await emulator.counters();
  const since = (name) => now[name] - atStart[name];
  return { fetches: since('fetch_jwt_svid'), exchanges: since('exchanges') };
}

test('a cold call fetches a JWT-SVID, a warm one has it in memory', async (t) => {
  const provider = new Provider({ endpointSocket: emulator.info.endpoint_socket });
  t.after(() => provider.close());
  const cold = await provider.getToken();
  assert.equal(claims(cold).sub, emulator.info.spiffe_ids[0]);
  assert.deepEqual(claims(cold).aud, [emulator.info.audience]);
  for (let call = 0; call < 100; call++) assert.equal(await provider.getToken(), cold);
  assert.deepEqual(await counted(), { fetches: 1, exchanges: 0 });
});

test('an access token from a file needs nothing else', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'svidex-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const accessTokenFile = join(directory, 'access');
  writeFileSync(accessTokenFile, 'opaque');
  utimesSync(accessTokenFile, 0, Date.now() / 1000 + 600);
  const provider = new Provider({ accessTokenFile });
  t.after(() => provider.close());
  assert.equal(await provider.accessToken(), 'opaque');
  await assert.rejects(provider.getToken(), { code: 'invalid_config', message: /endpoint_socket/ });
  utimesSync(accessTokenFile, 0, Date.now() / 1000 - 1);
  const late = new Provider({ accessTokenFile });
  t.after(() => late.close());
  await assert.rejects(late.accessToken(), {
    code: 'source_unavailable',
    message: /svidex bridge/,
  });
  assert.deepEqual(await counted(), { fetches: 0, exchanges: 0 });
});

test('an access token opens the API, and is exchanged once', async (t) => {
  const provider = new Provider(emulator.options);
  t.after(() => provider.close());
  const token = await provider.accessToken();
  assert.equal(await provider.accessToken(), token);
  const models = await fetch(`${emulator.info.api_base_url_http}/models`, {
    headers: { authorization: `Bearer ${token}` },
  });
  assert.equal(models.status, 200);
  assert.deepEqual(await counted(), { fetches: 1, exchanges: 1 });
});

test('1,000 cold callers share one fetch and one exchange', async (t) => {
  const provider = new Provider(emulator.options);
  t.after(() => provider.close());
  const tokens = await Promise.all(Array.from({ length: 1000 }, () => provider.accessToken()));
  assert.equal(new Set(tokens).size, 1);
  assert.deepEqual(await counted(), { fetches: 1, exchanges: 1 });
});

test('1,000 cold callers, of whom 501 give up: the rest get their token', async (t) => {
  const provider = new Provider(emulator.options);
  t.after(() => provider.close());
  await emulator.hold('token_endpoint');
  const control = new AbortController();
  const calls = Array.from({ length: 1000 }, (_, number) =>
    provider.accessToken(number < 501 ? { signal: control.signal } : undefined),
  );
  const all = Promise.allSettled(calls);
  await emulator.waiting('token_endpoint');
  control.abort();
  const quitters = await Promise.allSettled(calls.slice(0, 501));
  assert.ok(quitters.every(({ reason }) => reason?.code === 'cancelled'));
  await emulator.hold('token_endpoint', false);
  const results = await all;
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 499);
  assert.deepEqual(await counted(), { fetches: 1, exchanges: 1 });
});

test('methods work without their provider', async (t) => {
  const { getToken, accessToken } = new Provider(emulator.options);
  assert.match(await getToken(), /^eyJ/);
  assert.equal(typeof (await accessToken()), 'string');
  const { fromEnv } = Provider;
  const provider = fromEnv(emulator.options);
  t.after(() => provider.close());
  assert.match(await provider.getToken(), /^eyJ/);
});

test('a subclass can override a method and still pass it on', async (t) => {
  class Counting extends Provider {
    calls = 0;
    getToken(options) {
      this.calls++;
      return super.getToken(options);
    }
  }
  const provider = new Counting(emulator.options);
  t.after(() => provider.close());
  const { getToken } = provider;
  await getToken();
  await provider.workloadIdentity().provider.getToken();
  assert.equal(provider.calls, 2);
});

test('invalidate drops the token it is given, and nothing else', async (t) => {
  const provider = new Provider(emulator.options);
  t.after(() => provider.close());
  const first = await provider.accessToken();
  provider.invalidate('something else');
  assert.equal(await provider.accessToken(), first);
  provider.invalidate(first);
  assert.notEqual(await provider.accessToken(), first);
  assert.deepEqual(await counted(), { fetches: 1, exchanges: 2 });
});

test('one of several identities, by SPIFFE ID or by hint', async (t) => {
  const [, second] = emulator.info.spiffe_ids;
  for (const choice of [{ spiffeId: second }, { hint: emulator.info.hints[1] }]) {
    const provider = new Provider({ endpointSocket: emulator.info.endpoint_socket, ...choice });
    t.after(() => provider.close());
    assert.equal(claims(await provider.getToken()).sub, second);
  }
});

test('the token file, over TCP, and from the environment', async (t) => {
  const file = new Provider({ identityTokenFile: emulator.info.token_file, ...emulator.exchange });
  t.after(() => file.close());
  assert.equal(typeof (await file.accessToken()), 'string');
  assert.equal(file.status().source, `file ${emulator.info.token_file}`);

  const tcp = new Provider({ endpointSocket: emulator.info.endpoint_socket_tcp });
  t.after(() => tcp.close());
  assert.match(await tcp.getToken(), /^eyJ/);

  process.env.SPIFFE_ENDPOINT_SOCKET = emulator.info.endpoint_socket;
  t.after(() => delete process.env.SPIFFE_ENDPOINT_SOCKET);
  const env = Provider.fromEnv({ hint: emulator.info.hints[1] });
  t.after(() => env.close());
  assert.equal(claims(await env.getToken()).sub, emulator.info.spiffe_ids[1]);
});

test('workloadIdentity is what an OpenAI client takes', async (t) => {
  const provider = new Provider({
    ...emulator.options,
    clientId: 'client_1',
    refreshBufferSeconds: 12,
  });
  t.after(() => provider.close());
  const { provider: callback, ...rest } = provider.workloadIdentity();
  assert.deepEqual(rest, {
    identityProviderId: emulator.info.identity_provider_id,
    serviceAccountId: emulator.info.service_account_id,
    clientId: 'client_1',
    refreshBufferSeconds: 12,
  });
  assert.equal(callback.tokenType, 'jwt');
  assert.equal(await callback.getToken(), await provider.getToken());
  const without = new Provider(emulator.options).workloadIdentity();
  assert.ok(!('clientId' in without));
});

test('status tells what the provider holds and did', async (t) => {
  const provider = new Provider(emulator.options);
  t.after(() => provider.close());
  assert.deepEqual(provider.status(), {
    source: `workload_api ${emulator.info.endpoint_socket}`,
    audience: emulator.info.audience,
    spiffeId: null,
    subjectToken: null,
    accessToken: null,
    fetches: 0,
    fetchFailures: 0,
    exchanges: 0,
    exchangeFailures: 0,
    lastError: null,
    warnings: provider.status().warnings,
    closed: false,
  });
  const svid = await provider.getToken();
  await provider.accessToken();
  const status = provider.status();
  assert.equal(status.spiffeId, emulator.info.spiffe_ids[0]);
  assert.equal(status.subjectToken.expiresAt.getTime(), claims(svid).exp * 1000);
  assert.ok(status.accessToken.expiresInSeconds > 200);
  assert.ok(status.accessToken.ageSeconds < 60);
  assert.equal(status.fetches, 1);
  assert.equal(status.exchanges, 1);
  provider.close();
  assert.equal(provider.status().closed, true);
});
