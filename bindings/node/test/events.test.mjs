// What a listener is told, when, and what it may do. Where time has to pass (a
// renewal comes due at half a token's life), the tests wait for what it brings.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Provider, SvidexError } from 'svidex';
import { assertNoToken, failsWith } from './support/assertions.mjs';
import { startEmulator } from './support/emulator.mjs';
import { recordEvents, waitHere } from './support/events.mjs';
import { runProgram } from './support/run.mjs';

let emulator;

before(async () => {
  emulator = await startEmulator();
});
after(() => emulator.stop());
afterEach(async () => {
  await emulator.heal();
  await emulator.hold('workload_api', false);
  await emulator.settings({ svid_ttl_seconds: 300, svid_repeat: true });
});

function made(t, options = emulator.options) {
  const provider = new Provider(options);
  t.after(() => provider.close());
  return provider;
}

const named = ({ level, kind }) => `${level} ${kind}`;

test('a renewal that fails is told before callers feel it, and so is the recovery', async (t) => {
  // A new SVID at each fetch: a retry may come before half of the first one's life.
  await emulator.settings({ svid_ttl_seconds: 6, svid_repeat: false });
  // The first fetch succeeds; the renewal is due after three seconds.
  await emulator.fault('workload_api', { grpc_code: 'Unavailable', after: 1, times: 1 });
  const provider = made(t);
  const next = recordEvents(provider);
  const token = await provider.getToken();
  const fetched = await next();
  assert.equal(named(fetched), 'debug subject_token_fetched');
  assert.match(fetched.message, /^fetched a JWT-SVID: \d s left$/);
  assert.deepEqual(Object.keys(fetched).sort(), ['at', 'kind', 'level', 'message']);

  const failed = await next();
  assert.equal(named(failed), 'warning fetch_failed');
  assert.match(failed.message, /the held token ends in [1-9] s/);
  assert.ok(failed.error instanceof SvidexError);
  assert.equal(failed.error.code, 'source_unavailable');
  assert.equal(failed.error.retryable, true);
  assert.ok(failed.at instanceof Date);
  assert.ok(failed.at >= fetched.at && failed.at <= new Date());
  assert.equal(provider.status().lastError.at.getTime(), failed.at.getTime());
  assert.equal(await provider.getToken(), token);

  const recovered = await next();
  assert.equal(named(recovered), 'info subject_token_fetched');
  assert.match(recovered.message, /after failures/);
  assert.notEqual(await provider.getToken(), token);
});

test('renewals in the ordinary course of things are for debugging', async (t) => {
  await emulator.settings({ svid_ttl_seconds: 4, svid_repeat: false });
  const provider = made(t);
  const next = recordEvents(provider);
  const first = await provider.accessToken();
  const renewed = ['debug subject_token_fetched', 'debug access_token_exchanged'];
  assert.deepEqual([named(await next()), named(await next())], renewed);
  assert.deepEqual([named(await next()), named(await next())], renewed);
  assert.notEqual(await provider.accessToken(), first);
});

test('what the token endpoint said, and no token text', async (t) => {
  const provider = made(t);
  const next = recordEvents(provider);
  const tokens = [await provider.accessToken(), await provider.getToken()];
  const [access, subject] = tokens;
  await emulator.fault('token_endpoint', {
    status: 403,
    body: JSON.stringify({ error: 'access_denied', error_description: `${access} ${subject}` }),
  });
  provider.invalidate(access);
  await failsWith('exchange_rejected', provider.accessToken());
  const events = [await next(), await next(), await next()];
  const failed = events[2];
  assert.equal(named(failed), 'error exchange_failed');
  assert.equal(failed.error.code, 'exchange_rejected');
  assert.equal(failed.error.httpStatus, 403);
  assert.equal(failed.error.oauthCode, 'access_denied');
  for (const event of events) {
    const shown = [JSON.stringify(event), event.message, event.error?.stack, event.error?.message];
    assertNoToken(shown.join('\n'), ...tokens);
  }
});

test('a listener may use its provider, and close it', async (t) => {
  const provider = made(t);
  const told = deferred();
  provider.observe((event) => {
    if (event.kind === 'subject_token_fetched') {
      provider.accessToken().then((token) => provider.invalidate(token), told.reject);
      provider.status();
    } else {
      provider.close();
      provider.stopObserving();
      told.resolve(event);
    }
  });
  await provider.getToken();
  assert.equal(named(await told.promise), 'debug access_token_exchanged');
  assert.equal(provider.status().closed, true);
});

test('after stopObserving the listener hears nothing, not even of what has happened', async (t) => {
  const provider = made(t);
  const heard = [];
  provider.observe((event) => heard.push(event));
  const call = provider.getToken();
  // The event waits for the event loop, which gets no turn.
  waitHere(() => provider.status().fetches === 1);
  provider.stopObserving();
  await call;
  await provider.accessToken();
  assert.deepEqual(heard, []);
  provider.stopObserving();
});

test('a listener is replaced by the next', async (t) => {
  const provider = made(t);
  const heard = [];
  provider.observe((event) => heard.push(event));
  const call = provider.getToken();
  waitHere(() => provider.status().fetches === 1);
  const next = recordEvents(provider);
  await call;
  await provider.accessToken();
  assert.equal(named(await next()), 'debug access_token_exchanged');
  assert.deepEqual(heard, []);
});

test('a listener that falls behind holds up nothing; what it missed is counted', async (t) => {
  const provider = made(t, { identityTokenFile: emulator.info.token_file });
  const next = recordEvents(provider);
  const token = await provider.getToken();
  await next();
  // Renewals, with no turn of the event loop in which they could be told.
  const renew = () => {
    const { fetches } = provider.status();
    provider.invalidate(token);
    const call = provider.getToken();
    waitHere(() => provider.status().fetches > fetches);
    return call;
  };
  const calls = Array.from({ length: 70 }, renew);
  assert.deepEqual(new Set(await Promise.all(calls)), new Set([token]));
  for (let waiting = 0; waiting < 64; waiting++) assert.equal((await next()).dropped, undefined);
  await renew();
  assert.equal((await next()).dropped, 6);
  await renew();
  assert.equal((await next()).dropped, undefined);
});

test('what a listener throws is an uncaught exception, and costs no other event', async () => {
  const caught = await runProgram('throwing-listener', {
    options: emulator.options,
    catches: true,
  });
  assert.equal(caught.stderr, '');
  assert.equal(caught.status, 0);
  assert.deepEqual(caught.stdout.trim().split('\n'), [
    'uncaughtException: thrown at subject_token_fetched',
    'uncaughtException: thrown at access_token_exchanged',
  ]);
  const died = await runProgram('throwing-listener', { options: emulator.options });
  assert.match(
    died.stderr,
    /Error: thrown at subject_token_fetched\n\s+at .*throwing-listener\.mjs/,
  );
  assert.equal(died.status, 1);
});

test('a listener that is none', async (t) => {
  const provider = made(t);
  for (const listener of [undefined, null, 'log', {}, 1]) {
    await failsWith(
      'invalid_config',
      () => provider.observe(listener),
      /^listener must be a function/,
    );
  }
});

test('a closed provider may be observed', async (t) => {
  const provider = made(t);
  provider.close();
  provider.observe(() => assert.fail('nothing happens any more'));
  await failsWith('closed', provider.getToken());
  provider.stopObserving();
});

function deferred() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}
