// `provider.openai(OpenAI)` against an emulator that revokes, fails and redirects.
// Each part asserts by itself; the last line counts them.
import assert from 'node:assert/strict';
import { Provider, SvidexError } from 'svidex';
import { Emulator } from '../../../../bindings/node/test/support/emulator.mjs';
import { makeClient, OpenAI } from './sdk.mjs';

const world = new Emulator(JSON.parse(process.env.SVIDEX_EMULATOR_INFO));
const greeting = new RegExp(`\\b${world.info.spiffe_ids[0]}\\b`);
const question = { model: 'gpt-5-mini', input: '?' };
const answer = async (by = client) => (await by.responses.create(question)).output_text;
let parts = 0;
// New for each part: a provider forces one exchange in thirty seconds.
let provider;
let client;

async function part(run) {
  provider = Provider.fromEnv();
  client = await makeClient(provider);
  await provider.accessToken();
  const before = await world.counters();
  await run(async () => {
    const now = await world.counters();
    return (name) => now[name] - before[name];
  });
  parts += 1;
}

await part(async () => {
  assert.ok(client instanceof OpenAI);
  assert.equal(client.constructor.name, OpenAI.name);
  assert.match(await answer(), greeting);
});

// After a revocation no request fails, however many there are.
await part(async (since) => {
  await world.revoke({ all: true });
  const answers = await Promise.all(Array.from({ length: 8 }, () => answer()));
  for (const text of answers) assert.match(text, greeting);
  assert.equal((await since())('exchanges_ok'), 1);
});

// Streams and uploads are replayed whole.
await part(async () => {
  await world.revoke({ all: true });
  const stream = await client.responses.create({ ...question, stream: true });
  let text = '';
  for await (const event of stream) {
    if (event.type === 'response.output_text.delta') text += event.delta;
  }
  assert.match(text, greeting);
});

await part(async () => {
  await world.revoke({ all: true });
  const file = new File([Buffer.alloc(200_000, 'x')], 'upload');
  // Past the proxy, with the global `fetch`: no other takes the global `FormData`.
  const here = { baseURL: world.info.api_base_url, fetch: globalThis.fetch };
  const direct = await makeClient(provider, here);
  assert.equal((await direct.files.create({ file, purpose: 'user_data' })).bytes, 200_000);
});

// Never more than twice.
await part(async (since) => {
  await world.fault('api', { status: 401, body: '{}' });
  await assert.rejects(answer(), OpenAI.AuthenticationError);
  await world.heal();
  assert.equal((await since())('api_requests'), 2);
});

// Copies keep it; one with another key has that alone.
await part(async (since) => {
  const copy = client.withOptions({ timeout: 20_000 });
  await world.revoke({ all: true });
  assert.match(await answer(copy), greeting);
  const other = client.withOptions({ apiKey: 'sk-somebody-else' });
  await assert.rejects(answer(other), OpenAI.AuthenticationError);
  const mine = { headers: { Authorization: 'Bearer mine' } };
  await assert.rejects(client.models.list(mine), OpenAI.AuthenticationError);
  assert.match(await answer(), greeting);
  assert.equal((await since())('exchanges_ok'), 1);
});

// Neither another host nor a redirect there gets a token.
await part(async (since) => {
  await client.get(world.info.redirect_target);
  await world.fault('api', { redirect: world.info.redirect_target, times: 1 });
  await client.get('/models');
  const counted = await since();
  assert.equal(counted('redirect_target_hits'), 2);
  assert.equal(counted('redirect_target_authorized'), 0);
});

// A moment's outage is seen by nobody while a token is held.
await part(async () => {
  await world.fault('token_endpoint', { status: 503 });
  assert.match(await answer(), greeting);
  await world.heal();
});

// Failures are the SDK's own: a permanent one at once, others by its rules.
await part(async () => {
  const refused = await makeClient(Provider.fromEnv({ serviceAccountId: 'sa_of_nobody' }));
  await assert.rejects(answer(refused), (error) => {
    assert.ok(error instanceof OpenAI.OpenAIError);
    assert.ok(error.cause instanceof SvidexError);
    return error.cause.code === 'exchange_rejected';
  });
  const lost = Provider.fromEnv({
    endpointSocket: 'unix:///nowhere/agent.sock',
    callTimeoutSeconds: 0.1,
  });
  let asked = 0;
  const get = lost.accessToken;
  lost.accessToken = (options) => {
    asked += 1;
    return get(options);
  };
  const retried = await makeClient(lost, { maxRetries: 1 });
  await assert.rejects(answer(retried), (error) => {
    assert.ok(error instanceof OpenAI.APIConnectionError);
    return error.cause.code === 'source_unavailable';
  });
  assert.equal(asked, 2);
});

// The client's timeout bounds the wait for a token.
await part(async () => {
  await world.fault('token_endpoint', { delay_ms: 5_000 });
  const slow = await makeClient(Provider.fromEnv(), { timeout: 200 });
  await assert.rejects(answer(slow), OpenAI.APIConnectionTimeoutError);
  await world.heal();
});

// Sockets have the token in their handshake.
await part(async () => {
  const sdk = process.env.SVIDEX_E2E_SDK;
  const { OpenAIRealtimeWS } = await import(`${sdk}/realtime/ws`);
  const { ResponsesWS } = await import(`${sdk}/resources/responses/ws`);
  const direct = await makeClient(provider, { baseURL: world.info.api_base_url });
  const heard = (socket, event, say) =>
    new Promise((resolve, reject) => {
      socket.on('error', reject);
      socket.on(event, (message) => {
        socket.close();
        resolve(message);
      });
      say?.();
    });
  const realtime = await OpenAIRealtimeWS.create(direct, { model: 'gpt-realtime' });
  await heard(realtime, 'session.created');
  const responses = new ResponsesWS(direct);
  const { response } = await heard(responses, 'response.completed', () =>
    responses.send({ type: 'response.create', ...question }),
  );
  assert.match(response.output[0].content[0].text, greeting);
});

// Credentials given twice, and what is no such class, are refused at once.
await part(async () => {
  assert.throws(() => provider.openai(OpenAI, { apiKey: 'sk-canary' }), /apiKey and svidex/);
  assert.throws(() => provider.openai(class {}), { code: 'invalid_config' });
});

console.log(`ok ${parts}`);
