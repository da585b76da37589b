// Calls with no descriptor left. The parent sets the limit, for whoever is at it can
// start no program: a line each says when to.
import assert from 'node:assert/strict';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Provider } from 'svidex';

const { options, count } = JSON.parse(process.argv[2]);
const lines = createInterface(process.stdin)[Symbol.asyncIterator]();
const provider = new Provider(options);

const lowestFree = openSync('/dev/null');
closeSync(lowestFree);
console.log(`${process.pid} ${lowestFree}`);
await lines.next();
const before = descriptors();
for (let i = 0; i < count / 2; i++) {
  await assert.rejects(provider.getToken(), isScarce);
  await assert.rejects(provider.accessToken(), isScarce);
}
assert.equal(descriptors(), before);
console.log('lift it');
await lines.next();
assert.ok(await provider.accessToken());
console.log('all is well');
process.stdin.destroy();

function isScarce(error) {
  assert.match(error.message, /out of file descriptors/);
  assert.equal(error.code, 'source_unavailable');
  assert.equal(error.retryable, true);
  return true;
}

function descriptors() {
  let open = 0;
  for (let fd = 0; fd < 256; fd++) {
    try {
      fstatSync(fd);
      open++;
    } catch {
      // Nothing there.
    }
  }
  return open;
}
