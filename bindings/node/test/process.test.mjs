// What a program with a provider in it does at its end, and in worker threads.
// The time limits are hang guards, ten times what is promised; with
// SVIDEX_LONG=1 they are the promises, and the counts are full.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { startEmulator } from './support/emulator.mjs';
import { root, run, runProgram, startProgram } from './support/run.mjs';

const long = process.env.SVIDEX_LONG === '1';
const slack = long ? 1 : 10;

let emulator;

before(async () => {
  emulator = await startEmulator();
});
after(() => emulator.stop());
afterEach(async () => {
  await emulator.heal();
  await emulator.hold('workload_api', false);
  await emulator.settings({ svid_ttl_seconds: 300 });
});

function assertClean(result, stdout) {
  assert.equal(result.stderr, '');
  assert.equal(result.signal, null);
  assert.equal(result.status, 0);
  assert.deepEqual(result.stdout.trim().split('\n'), stdout);
}

test('an idle provider keeps no process alive', async (t) => {
  const result = await runProgram('idle', emulator.options);
  assertClean(result, ['the last line']);
  t.diagnostic(`exit ${Math.round(result.exitMs)} ms after the last line`);
  assert.ok(result.exitMs < 200 * slack);
});

test('a pending call keeps the process alive until it settles', async () => {
  await emulator.hold('workload_api');
  const program = startProgram('pending', emulator.options);
  assert.equal(await program.nextLine(), 'pending');
  await emulator.waiting('workload_api');
  await emulator.hold('workload_api', false);
  assertClean(await program.ended, ['pending', 'settled']);
});

test('exits in the middle of a refresh or a call', async (t) => {
  for (let batch = 0; batch < (long ? 5 : 1); batch++) await exits(t, 20);
});

async function exits(t, count) {
  await emulator.settings({ svid_ttl_seconds: 4 });
  // Attempts outlive the start of all programs, however long a busy machine takes.
  const options = { ...emulator.options, requestTimeoutSeconds: 100 };
  const programs = Array.from({ length: count }, (_, number) =>
    startProgram('exit', {
      options,
      how: ['refresh', 'refresh-exit'][number % 2],
    }),
  );
  for (const program of programs) assert.equal(await program.nextLine(), 'ready');
  await emulator.hold('workload_api');
  programs.push(startProgram('exit', { options, how: 'call-exit' }));
  assert.equal(await programs.at(-1).nextLine(), 'ready');
  await emulator.waiting('workload_api', count + 1);
  for (const program of programs) program.tell('go');
  const results = await Promise.all(programs.map((program) => program.ended));
  for (const result of results) {
    assertClean(result, ['ready', 'going']);
    assert.ok(result.exitMs < 1000 * slack);
  }
  await emulator.hold('workload_api', false);
  t.diagnostic(`slowest exit ${Math.round(Math.max(...results.map((r) => r.exitMs)))} ms`);
}

test('a failing background refresh prints nothing, rejects nothing, and shows in the status', async () => {
  await emulator.settings({ svid_ttl_seconds: 6 });
  // The first fetch succeeds, and no other.
  await emulator.fault('workload_api', { grpc_code: 'Unavailable', after: 1 });
  assertClean(await runProgram('failing-refresh', emulator.options), ['source_unavailable']);
});

test('worker threads load, call and end', async () => {
  const warm = { identityTokenFile: emulator.info.token_file };
  await emulator.hold('workload_api');
  const count = long ? 200 : 50;
  const program = startProgram('workers', { options: emulator.options, warm, count });
  assert.equal(await program.nextLine(), 'ended');
  // What the threads had asked for is answered when they are gone.
  await emulator.hold('workload_api', false);
  program.tell('go');
  assertClean(await program.ended, ['ended', 'works']);
});

test('providers that are closed or forgotten leave nothing behind', async (t) => {
  const program = `${root}test/programs/many-providers.mjs`;
  const options = JSON.stringify(emulator.options);
  const result = await run(process.execPath, ['--expose-gc', program, options]);
  assert.equal(result.stderr, '');
  assert.equal(result.status, 0);
  t.diagnostic(result.stdout.trim());
  const { threads, threadsLater, descriptors, descriptorsLater } = JSON.parse(result.stdout);
  assert.ok(threadsLater <= threads);
  assert.ok(descriptorsLater <= descriptors + 4);
});

test('out of descriptors, every call says so, and the first one after that works', async (t) => {
  const limit = (pid, soft) => run('prlimit', ['--pid', pid, `--nofile=${soft}:`]);
  const before = await run('prlimit', ['--nofile', '--output', 'SOFT', '--noheadings']);
  if (before.status !== 0) {
    t.skip('there is no prlimit(1) here');
    return;
  }
  const options = { ...emulator.options, callTimeoutSeconds: 0.2 };
  const program = startProgram('limits', { options, count: long ? 1000 : 60 });
  const [pid, lowestFree] = (await program.nextLine()).split(' ');
  assert.equal((await limit(pid, lowestFree)).status, 0);
  program.tell('go');
  assert.equal(await program.nextLine(), 'lift it');
  assert.equal((await limit(pid, before.stdout.trim())).status, 0);
  program.tell('go');
  assertClean(await program.ended, [`${pid} ${lowestFree}`, 'lift it', 'all is well']);
});
