// Makes, uses and forgets or closes many providers; tells how many threads and
// file descriptors that left.
import { readdirSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { Provider } from 'svidex';

const options = JSON.parse(process.argv[2]);
const counted = () => ['task', 'fd'].map((kind) => readdirSync(`/proc/self/${kind}`).length);

async function use(count) {
  for (let made = 0; made < count; made++) {
    const provider = new Provider(options);
    await provider.accessToken();
    if (made % 2) provider.close();
  }
  // Forgotten providers are closed when they are collected.
  for (let round = 0; round < 10; round++) {
    global.gc();
    await turn();
  }
}

await use(20);
const [threads, descriptors] = counted();
await use(100);
const [threadsLater, descriptorsLater] = counted();
console.log(JSON.stringify({ threads, threadsLater, descriptors, descriptorsLater }));
