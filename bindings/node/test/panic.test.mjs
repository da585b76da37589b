// A panic in each native function comes back as `internal`, and the next call
// works. Runs the very JavaScript on a debug build of the native library that
// can be made to panic.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { startEmulator } from './support/emulator.mjs';
import { recordEvents } from './support/events.mjs';
import { platform, root } from './support/run.mjs';

let emulator;
let addon;
let Provider;
let SvidexError;

before(async () => {
  addon = loadPanickingAddon();
  ({ Provider, SvidexError } = await import('svidex'));
  emulator = await startEmulator();
});
after(() => emulator?.stop());

function loadPanickingAddon() {
  const build = spawnSync(
    'cargo',
    [
      ...['build', '--quiet', '--package', 'svidex-node', '--features', 'panic-injection'],
      '--message-format=json',
    ],
    { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 28 },
  );
  assert.equal(build.status, 0, build.stderr);
  const library = build.stdout
    .split('\n')
    .filter((line) => line.includes('"compiler-artifact"'))
    .map((line) => JSON.parse(line))
    .find((artifact) => artifact.target.name === 'svidex_node').filenames[0];
  // A panic is reported on stderr; where in the source is beside the point here.
  process.env.RUST_BACKTRACE = '0';
  const loaded = { exports: {} };
  process.dlopen(loaded, library);
  // Where lib/native.ts looks for the platform package.
  const require = createRequire(import.meta.url);
  const expected = require.resolve(`svidex-${platform}`);
  require.cache[expected] = { id: expected, filename: expected, loaded: true, ...loaded };
  return loaded.exports;
}

/** Arms one function; `action` must fail with `internal`, and then work. */
async function panics(name, action) {
  addon.injectPanic(name);
  await assert.rejects(
    async () => action(),
    (error) => {
      assert.ok(error instanceof SvidexError, String(error));
      assert.equal(error.code, 'internal');
      assert.match(error.message, new RegExp(`injected into ${name}`));
      return true;
    },
  );
  await action();
}

function provider(t) {
  const made = new Provider(emulator.options);
  t.after(() => made.close());
  return made;
}

test('making a provider', async (t) => {
  const make = () => void provider(t);
  await panics('open', make);
  await panics('reader', make);
});

test('the command', () => {
  const version = () => addon.runCommand(['svidex', '--no-such-option']);
  addon.injectPanic('run_command');
  assert.throws(version, /injected into run_command/);
  assert.equal(version(), 2);
});

test('a warm read', async (t) => {
  const made = provider(t);
  await made.getToken();
  await panics('read', () => made.getToken());
  await panics('read', () => made.getToken({ timeoutSeconds: 1 }));
});

test('a cold call, at its start and at its end', async (t) => {
  const made = provider(t);
  const cold = async () => made.invalidate(await made.getToken({ timeoutSeconds: 5 }));
  await panics('start', cold);
  await panics('take', cold);
});

test('every call that was waiting when its end was lost', async (t) => {
  await emulator.hold('workload_api');
  const made = provider(t);
  const calls = Promise.allSettled([made.getToken(), made.getToken(), made.accessToken()]);
  await emulator.waiting('workload_api');
  addon.injectPanic('take');
  await emulator.hold('workload_api', false);
  assert.deepEqual(
    (await calls).map(({ reason }) => reason?.code),
    ['internal', 'internal', 'internal'],
  );
  await made.accessToken();
});

test('an abort', async (t) => {
  await emulator.hold('workload_api');
  t.after(() => emulator.hold('workload_api', false));
  const made = provider(t);
  const control = new AbortController();
  const call = made.getToken({ signal: control.signal });
  addon.injectPanic('cancel');
  control.abort();
  await assert.rejects(call, { code: 'internal', message: /injected into cancel/ });
});

test('an event on its way: the listener hears of it, and of the next', async (t) => {
  const made = provider(t);
  const next = recordEvents(made);
  addon.injectPanic('take_event');
  await made.getToken();
  const { level, kind, message, error } = await next();
  assert.deepEqual([level, kind, error.code], ['error', 'worker_failed', 'internal']);
  assert.match(message, /injected into take_event/);
  await made.accessToken();
  assert.equal((await next()).kind, 'subject_token_fetched');
  assert.equal((await next()).kind, 'access_token_exchanged');
});

test('everything else', async (t) => {
  const made = provider(t);
  await panics('invalidate', () => made.invalidate('x'));
  await panics('observe', () => made.observe(() => {}));
  await panics('stop_observing', () => made.stopObserving());
  await panics('status', () => made.status());
  await panics('workload_identity', () => made.workloadIdentity());
  await panics('close', () => made.close());
});

test('the version, read when the package loads', () => {
  addon.injectPanic('version');
  assert.throws(() => addon.version(), /injected into version/);
  assert.match(addon.version(), /^\d/);
});
