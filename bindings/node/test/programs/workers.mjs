// Worker threads that load svidex, start calls and are terminated, or end by
// themselves. Afterwards, when what they asked for has been answered, the main
// thread can still use it.
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

if (isMainThread) {
  const { options, warm, count } = JSON.parse(process.argv[2]);
  for (let started = 0; started < count; ) {
    const batch = [];
    for (; batch.length < 10 && started < count; started++) {
      const end = ['terminate', 'return', 'exit'][started % 3];
      batch.push(new Worker(new URL(import.meta.url), { workerData: { options, warm, end } }));
    }
    await Promise.all(batch.map(ended));
  }
  console.log('ended');
  await once(process.stdin, 'data');
  process.stdin.destroy();
  const { Provider } = await import('svidex');
  await new Provider(options).getToken();
  console.log('works');
} else {
  const { options, warm, end } = workerData;
  const { Provider } = await import('svidex');
  const served = new Provider(warm);
  await served.getToken();
  // `options` lead to an agent that does not answer for now.
  const provider = new Provider(options);
  for (let call = 0; call < 20; call++) provider.getToken().catch(() => {});
  parentPort.postMessage('calls are pending');
  if (end === 'exit') process.exit(0);
  if (end === 'return') provider.close();
}

async function ended(worker) {
  const exit = once(worker, 'exit');
  await once(worker, 'message');
  await worker.terminate();
  await exit;
}
