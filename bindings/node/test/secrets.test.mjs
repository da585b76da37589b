// No token text, whole or in part, in anything that a program may print.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { inspect } from 'node:util';
import { Provider } from 'svidex';
import { assertNoToken, failsWith } from './support/assertions.mjs';
import { startEmulator } from './support/emulator.mjs';
import { firstFailure } from './support/events.mjs';

let emulator;

before(async () => {
  emulator = await startEmulator();
});
after(() => emulator.stop());

/** All that can be had out of a value by printing it. */
function printed(value) {
  return [
    inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true }),
    JSON.stringify(value),
    String(value),
    JSON.stringify(Object.getOwnPropertyDescriptors(value)),
  ].join('\n');
}

test('a provider that holds both tokens', async (t) => {
  const provider = new Provider(emulator.options);
  t.after(() => provider.close());
  const tokens = [await provider.getToken(), await provider.accessToken()];
  const text = printed(provider);
  assertNoToken(text, ...tokens);
  assertNoToken(printed(provider.workloadIdentity()), ...tokens);
  assertNoToken(printed(provider.status()), ...tokens);
  assert.match(inspect(provider), /^Provider \{\s+source: 'workload_api/);
  assert.equal(JSON.parse(JSON.stringify(provider)).spiffeId, emulator.info.spiffe_ids[0]);
});

test('the error of a refused exchange, whose answer repeats the token', async (t) => {
  const provider = new Provider(emulator.options);
  t.after(() => provider.close());
  const svid = await provider.getToken();
  await emulator.fault('token_endpoint', {
    status: 400,
    oauth_error: 'invalid_request',
    oauth_description: `cannot take ${svid}`,
  });
  t.after(() => emulator.heal());
  const error = await failsWith('exchange_rejected', provider.accessToken());
  assertNoToken(`${printed(error)}${error.stack}${printed(provider)}`, svid);
});

test('the error of a token file that holds a secret of another kind', async (t) => {
  const secret = 'sk-proj-0123456789abcdefghijklmnopqrstuvwxyz';
  await emulator.tokenFile({ mode: 'once', content: secret });
  const provider = new Provider({ identityTokenFile: emulator.info.token_file });
  t.after(() => provider.close());
  await firstFailure(provider, provider.getToken);
  const error = await failsWith(
    'invalid_subject_token',
    provider.getToken({ timeoutSeconds: 0.05 }),
  );
  assertNoToken(`${printed(error)}${error.stack}${printed(provider)}`, secret);
});
