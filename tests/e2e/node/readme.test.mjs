// The lines that the README begins with work when pasted.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { root, run } from '../../../bindings/node/test/support/run.mjs';
import { environment, findWorld } from './world.mjs';

let world;

before(async () => {
  world = await findWorld();
});
after(() => world.stop());

test('the first lines of the README', async () => {
  const source = /```js\n([\s\S]*?)```/.exec(readFileSync(`${root}README.md`, 'utf8'))[1];
  assert.ok(source.trim().split('\n').length <= 10);
  const result = await run(process.execPath, ['--input-type=module', '--eval', source], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    env: {
      ...environment(world, 'workload_api'),
      HTTPS_PROXY: '',
      OPENAI_BASE_URL: world.info.api_base_url,
      SVIDEX_TOKEN_ENDPOINT: world.info.token_endpoint,
    },
    inherit: false,
  });
  assert.equal(result.status, 0, result.stderr);
  assert.match(result.stdout, new RegExp(`\\b${world.info.spiffe_ids[0]}\\b`));
});
