// What is JavaScript's of `provider.openai(OpenAI)`: classes, copies, sockets with no
// options of ours. Each part asserts by itself; the last line counts them.
import assert from 'node:assert/strict';
import { Provider } from 'svidex';
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

// Who takes the credentials out of a request has it sent without any.
await part(async () => {
  const none = { headers: { Authorization: null } };
  await assert.rejects(client.models.list(none), OpenAI.AuthenticationError);
  const bare = await makeClient(provider, { defaultHeaders: { authorization: null } });
  await assert.rejects(bare.models.list(), OpenAI.AuthenticationError);
  assert.match(await answer(), greeting);
});

// Without a token at hand, any time limit is the SDK's to judge.
await part(async () => {
  const parts = await makeClient(Provider.fromEnv(), { timeout: 20_000.5 });
  assert.match(await answer(parts), greeting);
  for (const timeout of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 'x']) {
    const fresh = await makeClient(Provider.fromEnv());
    await assert.rejects(fresh.responses.create(question, { timeout }), OpenAI.OpenAIError);
  }
});

// Sockets that nobody gave `socketOptions` have the token that the client holds.
await part(async () => {
  const { ResponsesWS } = await import(`${process.env.SVIDEX_E2E_SDK}/resources/responses/ws`);
  const direct = await makeClient(provider, { baseURL: world.info.api_base_url });
  const socket = new ResponsesWS(direct);
  const completed = new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('response.completed', resolve);
  });
  socket.send({ type: 'response.create', ...question });
  const { response } = await completed;
  socket.close();
  assert.match(response.output[0].content[0].text, greeting);
});

// The client's own limit ends the wait for a second token, as it does that for a first.
await part(async () => {
  provider.close();
  provider = Provider.fromEnv({ callTimeoutSeconds: 600 });
  const limited = await makeClient(provider, { timeout: 1_000, maxRetries: 0 });
  assert.match(await answer(limited), greeting);
  await world.hold('token_endpoint');
  await world.revoke({ all: true });
  await assert.rejects(answer(limited), OpenAI.APIConnectionTimeoutError);
  await world.hold('token_endpoint', false);
});

// Credentials given twice, and what is no such class, are refused at once.
await part(async () => {
  assert.throws(() => provider.openai(OpenAI, { apiKey: 'sk-canary' }), /apiKey and svidex/);
  assert.throws(() => provider.openai(OpenAI, 'sk-canary'), { message: /^options must be an obj/ });
  const { AzureOpenAI } = await import(process.env.SVIDEX_E2E_SDK);
  for (const base of [undefined, () => 1, class {}, AzureOpenAI, class extends AzureOpenAI {}]) {
    assert.throws(() => provider.openai(base), { code: 'invalid_config' });
  }
});

console.log(`ok ${parts}`);
