// `provider.fetch()`: the token on requests to hosts that may have it, and replays.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { startEmulator } from './support/emulator.mjs';
import { root, run } from './support/run.mjs';

const require = createRequire(import.meta.url);
const { FakeProvider, SvidexError } = require('svidex/testing');
const { originsOf } = require(`${root}dist/hosts.js`);
const vectors = JSON.parse(readFileSync(`${root}../../tests/vectors/hosts.json`, 'utf8'));

/** Notes what it is sent, and answers 401 to the tokens that it does not like. */
async function serve(t, { disliked = ['access-token-1'], redirect } = {}) {
  const seen = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { authorization } = request.headers;
    seen.push([authorization?.replace('Bearer ', ''), body]);
    const away = redirect !== undefined && request.url !== redirect;
    if (away) response.setHeader('location', redirect);
    response.statusCode = away ? 307 : disliked.includes(seen.at(-1)[0]) ? 401 : 200;
    response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { seen, url: `http://127.0.0.1:${server.address().port}` };
}

for (const { hosts, url, allowed } of vectors.cases) {
  test(`${url} is ${allowed ? '' : 'not '}among ${hosts ?? "OpenAI's"}`, () => {
    assert.equal(originsOf(hosts ?? undefined)(new URL(url)), allowed);
  });
}

for (const host of vectors.refused) {
  test(`${JSON.stringify(host)} is no host`, () => {
    assert.throws(() => new FakeProvider().fetch({ hosts: [host] }), { code: 'invalid_config' });
  });
}

test('a refused token is replaced once, with the same body', async (t) => {
  const { seen, url } = await serve(t);
  const provider = new FakeProvider();
  const response = await provider.fetch({ hosts: [url] })(url, { method: 'POST', body: 'body' });
  assert.equal(response.status, 200);
  assert.deepEqual(seen, [
    ['access-token-1', 'body'],
    ['access-token-2', 'body'],
  ]);
  assert.deepEqual(provider.invalidated, ['access-token-1']);
});

test('the method itself, handed over as a fetch, says so', () => {
  const provider = new FakeProvider();
  for (const input of ['https://api.openai.com/', new URL('https://api.openai.com/')]) {
    assert.throws(() => provider.fetch(input), { code: 'invalid_config' });
  }
  const { fetch } = provider;
  const request = new Request('https://api.openai.com/');
  assert.throws(() => fetch(request), { code: 'invalid_config', message: /provider\.fetch\(\)/ });
});

test('what is no option is refused, not passed over', () => {
  const refused = [null, 3, ['api.example.com'], { host: 'api.example.com' }, { fetch: 'x' }];
  for (const options of refused) {
    assert.throws(() => new FakeProvider().fetch(options), { code: 'invalid_config' });
  }
});

test('never twice', async (t) => {
  const disliked = ['access-token-1', 'access-token-2', 'access-token-3'];
  const { seen, url } = await serve(t, { disliked });
  const response = await new FakeProvider().fetch({ hosts: [url] })(url);
  assert.equal(response.status, 401);
  assert.equal(seen.length, 2);
});

test('a server that refuses every token costs one exchange', async (t) => {
  const { url } = await serve(t, { disliked: ['access-token-1', 'access-token-2'] });
  const provider = new FakeProvider();
  const fetch = provider.fetch({ hosts: [url] });
  for (let i = 0; i < 3; i += 1) assert.equal((await fetch(url)).status, 401);
  assert.deepEqual(provider.invalidated, ['access-token-1']);
});

test('a stream is not sent in part: the next request has a new token', async (t) => {
  const { seen, url } = await serve(t);
  const fetch = new FakeProvider().fetch({ hosts: [url] });
  const body = new Blob(['once']).stream();
  assert.equal((await fetch(url, { method: 'POST', body, duplex: 'half' })).status, 401);
  assert.equal((await fetch(url)).status, 200);
  assert.deepEqual(seen, [
    ['access-token-1', 'once'],
    ['access-token-2', ''],
  ]);
});

test('other hosts, and redirects to them, get no token', async (t) => {
  const provider = new FakeProvider();
  const other = await serve(t);
  assert.equal((await provider.fetch()(other.url)).status, 200);
  assert.equal(provider.calls, 0);
  const { url } = await serve(t, { redirect: other.url });
  assert.equal((await provider.fetch({ hosts: [url] })(url)).status, 200);
  assert.deepEqual(other.seen, [
    [undefined, ''],
    [undefined, ''],
  ]);
  assert.deepEqual(provider.invalidated, []);
});

test('a Request, and a fetch of the user', async (t) => {
  const { seen, url } = await serve(t, { disliked: [] });
  const asked = [];
  const fetch = new FakeProvider().fetch({
    hosts: [url],
    fetch: (input, init) => {
      asked.push(String(input.url ?? input));
      return globalThis.fetch(input, init);
    },
  });
  const request = new Request(url, { method: 'POST', body: 'x', headers: { 'x-mine': '1' } });
  assert.equal((await fetch(request)).status, 200);
  assert.deepEqual(seen, [['access-token-1', 'x']]);
  assert.equal(asked.length, 1);
});

test('a Request in the place of the options', async (t) => {
  const { seen, url } = await serve(t, { disliked: [] });
  const options = new Request('http://127.0.0.1:1/', { method: 'POST', body: 'body' });
  const response = await new FakeProvider().fetch({ hosts: [url] })(url, options);
  assert.equal(response.status, 200);
  assert.deepEqual(seen, [['access-token-1', 'body']]);
});

test('a redirect within an origin keeps the token: refused there, it is replaced', async (t) => {
  const { seen, url } = await serve(t, { redirect: '/elsewhere' });
  const provider = new FakeProvider();
  assert.equal((await provider.fetch({ hosts: [url] })(url)).status, 200);
  assert.deepEqual(
    seen.map(([token]) => token),
    ['access-token-1', 'access-token-1', 'access-token-2', 'access-token-2'],
  );
  assert.deepEqual(provider.invalidated, ['access-token-1']);
});

test('a Request of another library, with its fetch', async (t) => {
  const { seen, url } = await serve(t);
  const request = { url, method: 'GET', headers: new Headers({ 'x-mine': '1' }), body: null };
  const fetch = new FakeProvider().fetch({
    hosts: [url],
    fetch: (input, init) => globalThis.fetch(input.url, init),
  });
  assert.equal((await fetch(request)).status, 200);
  assert.equal(seen.length, 2);
});

test('who gives up is told so as fetch tells it, before the first token and the second', async (t) => {
  const gone = AbortSignal.abort();
  const early = new FakeProvider().fetch()('https://api.openai.com/v1/models', { signal: gone });
  await assert.rejects(early, (thrown) => thrown === gone.reason);

  const { url } = await serve(t);
  const provider = new FakeProvider();
  const giving = new AbortController();
  const give = provider.accessToken.bind(provider);
  provider.invalidate = () => {
    provider.accessToken = (options) => {
      giving.abort();
      return give(options);
    };
  };
  const late = provider.fetch({ hosts: [url] })(url, { signal: giving.signal });
  await assert.rejects(late, (thrown) => thrown === giving.signal.reason);
});

test('the second token fails as the first one does', async (t) => {
  const { url } = await serve(t);
  const provider = new FakeProvider();
  provider.invalidate = () => {
    provider.error = new SvidexError('exchange_unavailable', 'a moment', { retryable: true });
  };
  await assert.rejects(provider.fetch({ hosts: [url] })(url), TypeError);
});

test('a failure to get a token is what fetch rejects with', async () => {
  const error = new Error('no agent');
  const provider = new FakeProvider({ error });
  await assert.rejects(provider.fetch()('https://api.openai.com/v1/models'), error);
});

test('what time may heal fails as a network does, for whoever retries that', async () => {
  const error = new SvidexError('exchange_unavailable', 'a moment', { retryable: true });
  const provider = new FakeProvider({ error });
  await assert.rejects(provider.fetch()('https://api.openai.com/v1/models'), (thrown) => {
    assert.ok(thrown instanceof TypeError);
    return thrown.message === 'fetch failed' && thrown.cause === error;
  });
});

test('the fake loads nothing native', async () => {
  const source = `
    require('svidex/testing');
    const native = Object.keys(require.cache).filter((name) => name.endsWith('.node'));
    process.exit(native.length);`;
  assert.equal((await run(process.execPath, ['--eval', source], { cwd: root })).status, 0);
});

test('tokens with what is known about them', async (t) => {
  const emulator = await startEmulator();
  t.after(() => emulator.stop());
  await emulator.settings({ scope: 'model.request' });
  const { Provider } = require('svidex');
  const provider = new Provider(emulator.options);
  assert.equal(provider.heldAccessToken(), undefined);
  const details = await provider.accessTokenDetails();
  assert.equal(details.text, await provider.accessToken());
  assert.equal(details.text, provider.heldAccessToken());
  assert.equal(details.scope, 'model.request');
  assert.equal(details.spiffeId, emulator.info.spiffe_ids[0]);
  assert.equal(details.expiresAt.getTime(), provider.status().accessToken.expiresAt.getTime());
  const svid = await provider.getTokenDetails();
  assert.equal(svid.text, await provider.getToken());
  assert.ok(!('scope' in svid));
  provider.close();
  assert.equal(provider.heldAccessToken(), undefined);
});
