// Calls while files and names hang, and a listener that blocks the event loop of a
// worker thread; to be run under tests/hangs/hangs.py. Prints what was wrong, if anything.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Provider } from 'svidex';
import { Emulator } from '../support/emulator.mjs';

const { SVIDEX_EMULATOR_INFO, SVIDEX_HUNG_FILES, SVIDEX_HUNG_NAME } = process.env;
const emulator = new Emulator(JSON.parse(SVIDEX_EMULATOR_INFO));
const deadline = 1;
const timeouts = { requestTimeoutSeconds: deadline / 2, callTimeoutSeconds: deadline };
const slack = process.env.SVIDEX_LONG === '1' ? 0.2 : 2;

if (isMainThread) await main();
else blockForEver();

function blockForEver() {
  const provider = new Provider(workerData);
  provider.observe(() => {
    parentPort.postMessage('blocked');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
  // Rejected or not: nobody hears of it.
  provider.getToken().catch(() => {});
  provider.status();
  setInterval(() => {}, 1000);
}

async function main() {
  const worker = new Worker(new URL(import.meta.url), { workerData: emulator.options });
  await once(worker, 'message');
  const begun = performance.now();
  const files = SVIDEX_HUNG_FILES.split(':');
  const hung = [
    ...files.map((file) => [
      { ...emulator.exchange, ...timeouts, identityTokenFile: file },
      /file system/,
    ]),
    ...[0, 1, 2, 3, 4].map((number) => [
      { ...emulator.options, ...timeouts, tokenEndpoint: `https://${number}.${SVIDEX_HUNG_NAME}/` },
      /looking up/,
    ]),
    [{ ...emulator.options, ...timeouts, caFile: files[0] }, /file system/],
    [{ ...emulator.options, ...timeouts, endpointSocket: 'unix:///nonexistent' }, /nonexistent/],
  ].map(([options, words]) => [new Provider(options), words]);
  // The event loop is not held up where one is made.
  assert.ok(performance.now() - begun < hung.length * slack * 1000);
  // The second round waits for what the first one has left behind.
  for (let round = 0; round < 2; round++) {
    await Promise.all(hung.map(([provider, words]) => fails(provider, words)));
  }
  const healthy = new Provider(emulator.options);
  assert.ok(await healthy.accessToken());
  await worker.terminate();
  console.log('all is well');
}

async function fails(provider, words) {
  const begun = performance.now();
  await assert.rejects(provider.accessToken(), (error) => {
    const seconds = (performance.now() - begun) / 1000;
    assert.ok(seconds < deadline + slack, `${seconds} s: ${error.message}`);
    assert.match(error.message, words);
    assert.equal(error.retryable, true);
    return true;
  });
}
