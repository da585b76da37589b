// Observes providers whose agent is not there, each of which says so, and ends in
// the midst of that. Run as a program, it ends by itself; with `threads`,
// so do that many worker threads, and then it can still be told of an event.
// `how` it ends:
// - dry: the event loop has nothing left to do
// - exit: process.exit, in the listener
// - terminate: by the main thread (worker threads only)
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Provider } from 'svidex';

const { how, threads, options } = isMainThread ? JSON.parse(process.argv[2]) : workerData;
const endpointSocket = 'unix:///nonexistent/agent.sock';

/** Listens to fifty providers; calls `then` in the middle of their events. */
function listen(then) {
  let heard = 0;
  for (let n = 0; n < 50; n++) {
    const provider = new Provider({ endpointSocket });
    provider.observe(({ kind }) => {
      if (kind !== 'fetch_failed') throw new Error(kind);
      if (++heard === 25) then();
    });
    // Asked once, it tries, and goes on when nobody waits any more.
    provider.getToken({ timeoutSeconds: 0 }).catch(() => {});
  }
}

if (threads === undefined) {
  // Without it the event loop would be dry from the start.
  const alive = setInterval(() => {}, 1000);
  listen(() => {
    if (isMainThread) console.log('going');
    else parentPort.postMessage('going');
    if (how === 'exit') process.exit(0);
    if (how === 'dry') clearInterval(alive);
  });
} else {
  for (let started = 0; started < threads; ) {
    const batch = [];
    for (; batch.length < 10 && started < threads; started++) {
      const end = ['terminate', 'dry', 'exit'][started % 3];
      const worker = new Worker(new URL(import.meta.url), { workerData: { how: end } });
      batch.push(ended(worker, end));
    }
    await Promise.all(batch);
  }
  console.log('ended');
  const alive = setInterval(() => {}, 1000);
  const provider = new Provider(options);
  const event = new Promise((resolve) => provider.observe(resolve));
  await provider.getToken();
  console.log((await event).kind);
  clearInterval(alive);
}

async function ended(worker, end) {
  const exit = once(worker, 'exit');
  await once(worker, 'message');
  if (end === 'terminate') await worker.terminate();
  await exit;
}
