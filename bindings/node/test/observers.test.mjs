// What a process with an observed provider in it does at its end, in worker
// threads, and with providers that it forgets.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startEmulator } from './support/emulator.mjs';
import { root, run, runProgram } from './support/run.mjs';

const long = process.env.SVIDEX_LONG === '1';
// Ten times what is promised guards against hangs.
const slack = long ? 1 : 10;

let emulator;

before(async () => {
  emulator = await startEmulator();
});
after(() => emulator.stop());

function assertClean({ stdout, stderr, signal, status }, lines) {
  assert.equal(stderr, '');
  assert.equal(signal, null);
  assert.equal(status, 0);
  assert.deepEqual(stdout.trim().split('\n'), lines);
}

test('events keep no process alive, and one may end in the midst of them', async (t) => {
  let slowest = 0;
  for (let batch = 0; batch < (long ? 10 : 1); batch++) {
    const programs = Array.from({ length: 10 }, (_, n) =>
      runProgram('observed', { how: ['dry', 'exit'][n % 2] }),
    );
    for (const result of await Promise.all(programs)) {
      assertClean(result, ['going']);
      assert.ok(result.exitMs < 1000 * slack);
      slowest = Math.max(slowest, result.exitMs);
    }
  }
  t.diagnostic(`slowest exit ${Math.round(slowest)} ms`);
});

test('worker threads end in the midst of events', async () => {
  const threads = long ? 200 : 30;
  const result = await runProgram('observed', { threads, options: emulator.options });
  assertClean(result, ['ended', 'subject_token_fetched']);
});

test('a listener keeps no provider from being collected, also if it uses it', async () => {
  const program = `${root}test/programs/forgotten.mjs`;
  const options = JSON.stringify(emulator.options);
  assertClean(await run(process.execPath, ['--expose-gc', program, options]), ['collected']);
});
