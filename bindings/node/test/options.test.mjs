// Bad input in every option and argument: refused by name, and never quoted.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { Provider } from 'svidex';
import { failsWith } from './support/assertions.mjs';

const TEXT = [
  'endpointSocket',
  'identityTokenFile',
  'audience',
  'spiffeId',
  'hint',
  'identityProviderId',
  'serviceAccountId',
  'clientId',
  'tokenEndpoint',
  'caFile',
];
const SECONDS = ['refreshBufferSeconds', 'requestTimeoutSeconds', 'callTimeoutSeconds'];

const JWT = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.Y2FuYXJ5LWNhbmFyeQ';

const snake = (name) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Options that are good but for one; native code calls it by its name in every language. */
function made(name, value) {
  const source = ['endpointSocket', 'identityTokenFile'].includes(name)
    ? {}
    : { endpointSocket: 'unix:///run/agent.sock' };
  return () => new Provider({ ...source, [name]: value });
}

for (const name of TEXT) {
  const bad = {
    'a NUL': `unix:///a\0b`,
    'a line end': 'x\r\ny',
    'a lone surrogate': 'x\ud800y',
    '1 MiB': 'x'.repeat(2 ** 20),
    nothing: '',
    blanks: '  ',
  };
  test(`${name}: text that cannot be meant`, async () => {
    for (const value of Object.values(bad)) {
      const message = new RegExp(`${name}|${snake(name)}`);
      const error = await failsWith('invalid_config', made(name, value), message);
      assert.ok(error.message.length < 500);
    }
  });

  test(`${name}: another type`, async () => {
    const secret = { toString: () => 'secret' };
    for (const value of [null, 1, true, 1n, Symbol('s'), ['secret'], secret, () => 'secret']) {
      const error = await failsWith(
        'invalid_config',
        made(name, value),
        new RegExp(`^${name} must be a string`),
      );
      assert.doesNotMatch(error.message, /secret/);
    }
  });
}

for (const name of SECONDS) {
  test(`${name}: no number of seconds`, async () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, -1, 0, 1e300]) {
      await failsWith('invalid_config', made(name, value), new RegExp(snake(name)));
    }
    for (const value of ['10', null, 10n, new Date(), [10]]) {
      await failsWith('invalid_config', made(name, value), new RegExp(`^${name} must be a number`));
    }
  });
}

test('an option that does not exist', async () => {
  await failsWith('invalid_config', made('endpoint_socket', 'x'), /write endpointSocket/);
  await failsWith('invalid_config', made('SpiffeID', 'x'), /write spiffeId/);
  await failsWith(
    'invalid_config',
    made('apiKey', 'sk-secret'),
    /"apiKey": there are endpointSocket/,
  );
  const long = await failsWith('invalid_config', made('x'.repeat(2 ** 20), 1));
  assert.ok(long.message.length < 500);
  // Also one that is cut off.
  for (const token of [JWT, `${'x'.repeat(40)} ${JWT}`, 'sk-proj-0123456789abcdef']) {
    const error = await failsWith('invalid_config', made(token, 1), /no option \[redacted\]/);
    assert.doesNotMatch(error.message, /eyJ|0123/);
  }
  const inherited = Object.create({ endpoint_socket: 'ignored' });
  await failsWith('invalid_config', () => new Provider(inherited), /no source/);
});

test('options that are no object', async () => {
  for (const options of [null, 'unix:///a', 1, ['unix:///a'], () => {}]) {
    await failsWith('invalid_config', () => new Provider(options), /^options must be an object/);
    await failsWith(
      'invalid_config',
      () => Provider.fromEnv(options),
      /^options must be an object/,
    );
  }
  await failsWith('invalid_config', () => new Provider(), /no source/);
});

test('undefined counts as left out', () => {
  const options = Object.fromEntries([...TEXT, ...SECONDS].map((name) => [name, undefined]));
  new Provider({ ...options, endpointSocket: 'unix:///run/agent.sock' }).close();
});

test('forms that are wrong from the start', async () => {
  const wrong = {
    endpointSocket: ['agent.sock', '/run/agent.sock', 'http://127.0.0.1:1', 'tcp://localhost:1'],
    identityTokenFile: ['/'],
    spiffeId: ['https://example.org/x', 'spiffe://'],
    identityProviderId: ['<idp>', 'a b'],
    tokenEndpoint: ['auth.openai.com', 'http://auth.openai.com/oauth/token', 'ftp://x'],
    caFile: ['/nonexistent/ca.pem'],
  };
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      await failsWith('invalid_config', made(name, value), new RegExp(snake(name)));
    }
  }
});

test('what a call is given', async (t) => {
  const provider = new Provider({ endpointSocket: 'unix:///nonexistent/agent.sock' });
  t.after(() => provider.close());
  for (const method of [provider.getToken, provider.accessToken]) {
    await failsWith('invalid_config', method({ timeout: 1 }), /no option "timeout"/);
    await failsWith('invalid_config', method({ timeoutSeconds: '1' }), /timeoutSeconds must be/);
    for (const seconds of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      await failsWith('invalid_config', method({ timeoutSeconds: seconds }), /timeoutSeconds is/);
    }
    for (const signal of [null, {}, 'abort', new AbortController()]) {
      await failsWith('invalid_config', method({ signal }), /signal must be an AbortSignal/);
    }
    await failsWith('invalid_config', method('x'), /options must be an object/);
    await failsWith('invalid_config', method(null), /options must be an object/);
  }
});

test('what invalidate is given', async (t) => {
  const provider = new Provider({ endpointSocket: 'unix:///nonexistent/agent.sock' });
  t.after(() => provider.close());
  for (const token of [undefined, null, 1, {}]) {
    await failsWith('invalid_config', () => provider.invalidate(token), /token must be a string/);
  }
  await failsWith('invalid_config', () => provider.invalidate('\udfff'), /surrogate/);
  // Nothing that could be a token of ours, so there is nothing to drop.
  for (const token of ['', 'a\0b', 'x\r\ny', 'x'.repeat(2 ** 20)]) provider.invalidate(token);
});

// What a worker, a test runner or another runtime has is not the process's environment.
test('the variables that count are those of process.env as the program sees it', async (t) => {
  const fails = () => {
    try {
      Provider.fromEnv().close();
      return undefined;
    } catch (error) {
      return error.message;
    }
  };
  const whole = process.env;
  t.after(() => {
    process.env = whole;
  });
  process.env = { SPIFFE_ENDPOINT_SOCKET: 'nonsense' };
  assert.match(fails(), /SPIFFE_ENDPOINT_SOCKET/);
  process.env = { SPIFFE_ENDPOINT_SOCKET: 'unix:///agent.sock', SVIDEX_TOKEN_ENDPOINT: 'here' };
  assert.match(fails(), /SVIDEX_TOKEN_ENDPOINT/);
  delete process.env.SVIDEX_TOKEN_ENDPOINT;
  assert.equal(fails(), undefined);
  process.env = whole;
  assert.match(fails(), /no source/);
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads');
     import('svidex').then(({ Provider }) => {
       const provider = Provider.fromEnv();
       parentPort.postMessage(provider.status().source);
       provider.close();
     });`,
    { eval: true, env: { SPIFFE_ENDPOINT_SOCKET: 'unix:///of/the/worker.sock' } },
  );
  const [source] = await once(worker, 'message');
  assert.match(source, /of\/the\/worker/);
  await worker.terminate();
});
