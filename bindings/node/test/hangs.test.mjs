// Calls keep their deadlines while files, names and a listener hang.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { emulatorProgram } from './support/emulator.mjs';
import { root, run } from './support/run.mjs';

const SKIPPED = 77;

test('calls keep their deadlines while files, names and a listener hang', async (t) => {
  const hangs = fileURLToPath(new URL('../../../tests/hangs/hangs.py', import.meta.url));
  const program = `${root}test/programs/hangs.mjs`;
  const result = await run(hangs, [emulatorProgram(), 'run', '--', process.execPath, program]);
  if (result.status === SKIPPED) {
    t.skip(result.stderr.trim());
    return;
  }
  assert.equal(result.stderr, '');
  assert.equal(result.status, 0);
  assert.equal(result.stdout, 'all is well\n');
});
