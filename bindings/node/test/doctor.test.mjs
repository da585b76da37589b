// The doctor, for whoever writes JavaScript.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { doctor, Provider, SvidexError } from 'svidex';
import { startEmulator } from './support/emulator.mjs';

let emulator;

before(async () => {
  emulator = await startEmulator();
});
after(() => emulator.stop());

function check(report, id) {
  return report.checks.find((it) => it.id === id);
}

test('of a sound provider', async (t) => {
  const provider = new Provider(emulator.options);
  t.after(() => provider.close());
  const report = await provider.doctor();
  assert.ok(report.healthy, String(report));
  assert.ok(Date.now() - report.at.getTime() < 60_000);
  assert.equal(check(report, 'exchange').outcome, 'ok');
  assert.match(String(report), /^ok {7}configuration/);
  assert.deepEqual(Object.keys(report).sort(), ['at', 'checks', 'healthy', 'svidex']);
  assert.doesNotMatch(JSON.stringify(report) + String(report), /eyJ/);
  // It looks for itself.
  assert.equal(provider.status().exchanges, 0);
});

test('of the environment, and of a file to upload', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'svidex-doctor-'));
  t.after(() => rm(dir, { recursive: true }));
  const jwksFile = join(dir, 'jwks.json');
  await writeFile(jwksFile, '{"keys": [{"kty": "EC", "kid": "a", "d": "AA"}]}');
  const report = await doctor({ ...emulator.options, jwksFile });
  assert.equal(report.healthy, false);
  const failed = report.checks.filter(({ outcome }) => outcome === 'failed');
  assert.deepEqual(
    failed.map(({ id }) => id),
    ['uploaded_jwks'],
  );
  assert.match(failed[0].seen, /HOLDS A PRIVATE KEY/);
  assert.ok(failed[0].advice.length > 0);
});

test('a look at the Platform', async () => {
  const report = await doctor({ ...emulator.options, adminKeyEnv: 'SVIDEX_NO_SUCH_KEY' });
  assert.equal(check(report, 'identity_provider').outcome, 'warning');
  assert.match(check(report, 'identity_provider').seen, /SVIDEX_NO_SUCH_KEY is not set/);
  assert.equal(report.healthy, true);
});

test('bad settings are findings, options of a wrong kind are errors', async () => {
  const report = await doctor({ endpointSocket: 'nowhere' });
  assert.equal(check(report, 'configuration').outcome, 'failed');
  for (const options of [{ jwksFile: 7 }, { adminKeyEnv: 7 }, { jwks_file: 'x' }, { signal: 1 }]) {
    await assert.rejects(doctor(options), { code: 'invalid_config' });
  }
});

test('a signal ends it', async (t) => {
  const provider = new Provider(emulator.options);
  t.after(() => provider.close());
  await emulator.hold('workload_api');
  const control = new AbortController();
  const examination = provider.doctor({ signal: control.signal });
  await emulator.waiting('workload_api');
  control.abort(new Error('enough'));
  await assert.rejects(examination, (error) => {
    assert.ok(error instanceof SvidexError);
    assert.equal(error.code, 'cancelled');
    assert.equal(error.cause.message, 'enough');
    return true;
  });
  await assert.rejects(doctor({ signal: control.signal }), { code: 'cancelled' });
  await emulator.hold('workload_api', false);
});
