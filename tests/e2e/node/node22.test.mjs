// What the binding's own tests say of events and exits, also on Node 22.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { root, run } from '../../../bindings/node/test/support/run.mjs';
import { node22 } from './runtimes.mjs';

const given = process.env.SVIDEX_EMULATOR_INFO !== undefined;
const skip = given && 'has emulators of its own';

test('listeners and exits on Node 22', { skip }, async () => {
  const files = ['events', 'observers', 'process'].map((name) => `test/${name}.test.mjs`);
  // As if started by hand, not by this test's own runner.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status, stdout } = await run(node22, ['--test', '--test-reporter=tap', ...files], {
    cwd: root,
    env,
    inherit: false,
  });
  assert.equal(status, 0, stdout);
  assert.match(stdout, /^# pass \d\d$/m);
});
