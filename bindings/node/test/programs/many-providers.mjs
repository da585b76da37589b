// Makes, uses and forgets or closes many providers; tells how many threads and
// file descriptors that left.
import { readdirSync } from 'node:fs';
import { setTimeout as turn } from 'node:timers/promises';
import { Provider } from 'svidex';

const options = JSON.parse(process.argv[2]);
const counted = () => ['task', 'fd'].map((kind) => readdirSync(`/proc/self/${kind}`).length);

async function use(count) {
  for (let made = 0; made < count; made++) {
    const provider = new Provider(options);
    await provider.accessToken();
    if (made % 2) provider.close();
  }
}

/** Forgotten providers are closed when they are collected, and then their threads tidy up. */
async function settle(isSettled) {
  for (let round = 0; !isSettled(); round++) {
    // A leak ends the waiting too: the figures tell.
    if (round === 1000) return;
    global.gc();
    await turn(round < 10 ? 0 : 10);
  }
}

await use(20);
let rounds = 0;
await settle(() => ++rounds > 10);
const [threads, descriptors] = counted();
await use(100);
await settle(() => {
  const [threadsLater, descriptorsLater] = counted();
  return threadsLater <= threads && descriptorsLater <= descriptors;
});
const [threadsLater, descriptorsLater] = counted();
console.log(JSON.stringify({ threads, threadsLater, descriptors, descriptorsLater }));
