// What is JavaScript's of our client, with both versions of the official SDK.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startFile } from '../../../bindings/node/test/support/run.mjs';
import { runtimes } from './runtimes.mjs';
import { environment, findWorld } from './world.mjs';

let world;

before(async () => {
  world = await findWorld();
});
after(() => world.stop());

const program = fileURLToPath(new URL('programs/client.mjs', import.meta.url));

for (const { name, node, variables } of runtimes) {
  test(`${name}: classes, copies, sockets and refusals of our client`, async () => {
    const { status, stdout, stderr } = await startFile(program, [], {
      node,
      env: {
        ...environment(world, 'workload_api'),
        ...variables,
        SVIDEX_EMULATOR_INFO: JSON.stringify(world.info),
      },
      inherit: false,
    }).ended;
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^ok \d+\n$/);
  });
}
