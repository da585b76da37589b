// Our types are those that the official SDKs ask for.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { root, run } from '../../../bindings/node/test/support/run.mjs';

test('tsc --strict lets both SDKs take our provider', async () => {
  const { status, stdout } = await run(join(root, 'node_modules/.bin/tsc'), [
    ...['--strict', '--exactOptionalPropertyTypes', '--noEmit', '--skipLibCheck'],
    ...['--target', 'es2022', '--module', 'node16'],
    ...['--typeRoots', join(root, 'node_modules/@types'), '--types', 'node'],
    fileURLToPath(new URL('types.ts', import.meta.url)),
  ]);
  assert.equal(status, 0, stdout);
});
