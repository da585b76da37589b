// Every code of the closed set, with its cause.
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { after, afterEach, before, test } from 'node:test';
import { Provider, SvidexError } from 'svidex';
import { failsWith } from './support/assertions.mjs';
import { startEmulator } from './support/emulator.mjs';
import { firstFailure } from './support/events.mjs';

let emulator;

before(async () => {
  emulator = await startEmulator();
});
after(() => emulator.stop());
afterEach(() => emulator.heal());

function provider(t, options = emulator.options) {
  const made = new Provider({ ...options, callTimeoutSeconds: 5 });
  t.after(() => made.close());
  return made;
}

test('invalid_config: no source, two sources, no IDs', async (t) => {
  await failsWith('invalid_config', () => new Provider({}), /SPIFFE_ENDPOINT_SOCKET/);
  await failsWith(
    'invalid_config',
    () => new Provider({ endpointSocket: 'unix:///a', identityTokenFile: '/b' }),
    /choose one/,
  );
  const noIds = provider(t, { endpointSocket: emulator.info.endpoint_socket });
  await failsWith('invalid_config', noIds.accessToken(), /OPENAI_IDENTITY_PROVIDER_ID/);
  await failsWith('invalid_config', () => noIds.workloadIdentity(), /OPENAI_IDENTITY_PROVIDER_ID/);
});

/** Fails once an attempt of it has: however slow the machine, not just with `timeout`. */
async function failed(made, call) {
  await firstFailure(made, call);
  return call({ timeoutSeconds: 0.05 });
}

test('source_unavailable: no socket, no file', async (t) => {
  const socket = provider(t, { endpointSocket: 'unix:///nonexistent/agent.sock' });
  const error = await failsWith(
    'source_unavailable',
    failed(socket, socket.getToken),
    /nonexistent\/agent.sock/,
  );
  assert.equal(error.retryable, true);
  const file = provider(t, { identityTokenFile: '/nonexistent/token' });
  await failsWith('source_unavailable', failed(file, file.getToken), /nonexistent\/token/);
});

test('permission_denied: no identity for this process', async (t) => {
  await emulator.fault('workload_api', { grpc_code: 'PermissionDenied' });
  const made = provider(t);
  const error = await failsWith('permission_denied', failed(made, made.getToken), /identity/);
  assert.equal(error.httpStatus, undefined);
});

test('invalid_subject_token: a token file with something else in it', async (t) => {
  await emulator.tokenFile({ mode: 'once', content: 'not a JWT' });
  t.after(() => emulator.tokenFile({ mode: 'rename' }));
  const file = provider(t, { identityTokenFile: emulator.info.token_file });
  await failsWith('invalid_subject_token', file.getToken(), /token/);
});

test('exchange_rejected: status and OAuth code are kept', async (t) => {
  await emulator.fault('token_endpoint', { status: 403, oauth_error: 'access_denied' });
  const error = await failsWith('exchange_rejected', provider(t).accessToken());
  assert.equal(error.httpStatus, 403);
  assert.equal(error.oauthCode, 'access_denied');
  assert.equal(error.retryable, false);
  assert.equal(error.name, 'SvidexError');
});

test('exchange_unavailable: Retry-After is kept', async (t) => {
  await emulator.fault('token_endpoint', { status: 503, headers: { 'retry-after': '7' } });
  const made = provider(t);
  const error = await failsWith('exchange_unavailable', failed(made, made.accessToken));
  assert.equal(error.httpStatus, 503);
  assert.equal(error.retryAfterMs, 7000);
  assert.equal(error.retryable, true);
});

test('timeout: nothing has answered yet', async (t) => {
  await emulator.fault('workload_api', { hang: true });
  const started = performance.now();
  await failsWith('timeout', provider(t).getToken({ timeoutSeconds: 0.2 }));
  assert.ok(performance.now() - started < 2000);
});

test('timeout: the deadline of the provider, and of 0 seconds', async (t) => {
  await emulator.fault('workload_api', { hang: true });
  const short = new Provider({ ...emulator.options, callTimeoutSeconds: 0.2 });
  t.after(() => short.close());
  await failsWith('timeout', short.getToken());
  await failsWith('timeout', short.getToken({ timeoutSeconds: 0 }));
});

test('a deadline beyond any clock is a long one', async (t) => {
  assert.match(await provider(t).getToken({ timeoutSeconds: Number.MAX_VALUE }), /^eyJ/);
});

test('cancelled: by its signal, whose reason is the cause', async (t) => {
  await emulator.fault('workload_api', { hang: true });
  const made = provider(t);
  const control = new AbortController();
  const call = made.getToken({ signal: control.signal });
  const reason = new Error('changed my mind');
  control.abort(reason);
  const error = await failsWith('cancelled', call);
  assert.equal(error.cause, reason);
  assert.equal(
    (await failsWith('cancelled', made.getToken({ signal: AbortSignal.abort(reason) }))).cause,
    reason,
  );
});

test('cancelled: also when the token is at hand', async (t) => {
  const made = provider(t);
  await made.getToken();
  await failsWith('cancelled', made.getToken({ signal: AbortSignal.abort() }));
  assert.match(await made.getToken({ signal: new AbortController().signal }), /^eyJ/);
});

test('many calls on one signal: one listener, taken back at the end', async (t) => {
  const warnings = [];
  const heard = (warning) => warnings.push(warning);
  process.on('warning', heard);
  t.after(() => process.off('warning', heard));
  const { signal } = new AbortController();
  const made = provider(t);
  const other = provider(t);
  const calls = Array.from({ length: 50 }, (_, n) => (n % 2 ? made : other).getToken({ signal }));
  assert.equal(getEventListeners(signal, 'abort').length, 1);
  await Promise.all(calls);
  assert.equal(getEventListeners(signal, 'abort').length, 0);
  await new Promise(setImmediate);
  assert.deepEqual(warnings, []);
});

test('closed: pending calls and later ones', async (t) => {
  await emulator.hold('workload_api');
  t.after(() => emulator.hold('workload_api', false));
  const made = provider(t);
  const calls = Array.from({ length: 20 }, () => made.getToken());
  const settled = Promise.allSettled(calls);
  await emulator.waiting('workload_api');
  made.close();
  assert.deepEqual(
    (await settled).map(({ reason }) => reason?.code),
    Array(20).fill('closed'),
  );
  await failsWith('closed', made.getToken());
  await failsWith('closed', made.accessToken());
  made.close();
});

test('closed: a token that was held is handed out no more', async (t) => {
  const made = provider(t);
  await made.getToken();
  made.close();
  await failsWith('closed', made.getToken());
});

test('closed: at the end of a `using` block', async (t) => {
  const made = provider(t);
  await made.getToken();
  made[Symbol.dispose]();
  await failsWith('closed', made.getToken());
});

test('an error carries where it was awaited', async (t) => {
  const made = provider(t, { identityTokenFile: '/nonexistent/token' });
  await firstFailure(made, made.getToken);
  async function callerOfMine() {
    await made.getToken({ timeoutSeconds: 0.05 });
  }
  const error = await failsWith('source_unavailable', callerOfMine());
  assert.match(error.stack, /callerOfMine/);
});

test('SvidexError can be made and told apart', () => {
  const error = new SvidexError('timeout', 'too late', { httpStatus: 504, retryable: true });
  assert.ok(error instanceof Error);
  assert.equal(String(error), 'SvidexError: too late');
  assert.deepEqual({ ...error }, { code: 'timeout', httpStatus: 504, retryable: true });
  assert.ok(!('cause' in error));
});
