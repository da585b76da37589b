// Ends when told to, with something in flight. `how`:
// - refresh: a background refresh; the event loop runs dry
// - refresh-exit: a background refresh; process.exit
// - call-exit: a cold call; process.exit
import { once } from 'node:events';
import { Provider } from 'svidex';

const { options, how } = JSON.parse(process.argv[2]);
const provider = new Provider(options);
const reads = new AbortController();
let reading;
if (how === 'call-exit') {
  provider.getToken().catch(() => {});
} else {
  await provider.getToken();
  // A token that nobody reads is not refreshed.
  reading = setInterval(() => provider.getToken({ signal: reads.signal }).catch(() => {}), 20);
}
console.log('ready');
await once(process.stdin, 'data');
clearInterval(reading);
// On a slow machine the token may have expired meanwhile: a read that waits
// would, rightly, keep the process.
reads.abort();
process.stdin.destroy();
console.log('going');
if (how !== 'refresh') process.exit(0);
