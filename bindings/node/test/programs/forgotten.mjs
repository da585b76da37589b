// Makes observed providers, whose listeners lead back to them, and forgets them;
// ends when all of them have been collected and closed. Needs --expose-gc.
import { setImmediate as turn } from 'node:timers/promises';
import { Provider } from 'svidex';

const options = JSON.parse(process.argv[2]);
const count = 30;
let collected = 0;
const registry = new FinalizationRegistry(() => collected++);

async function use() {
  const provider = new Provider(options);
  const heard = [];
  provider.observe((event) => heard.push(event, provider.status()));
  await provider.getToken();
  registry.register(provider);
}

for (let made = 0; made < count; made++) await use();
while (collected < count) {
  global.gc();
  await turn();
}
console.log('collected');
