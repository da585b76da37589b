// Asks; when told that its token file holds another JWT-SVID, asks again with
// that one. Prints which SVID each answer rests on, by its digest.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Provider } from 'svidex';
import { ask, makeClient, ways } from './sdk.mjs';

const provider = Provider.fromEnv();

async function round() {
  const svid = await provider.getToken();
  const credentials = ways[process.argv[2]](provider);
  const answers = await ask(await makeClient(credentials));
  const digest = createHash('sha256').update(svid).digest('hex');
  console.log(JSON.stringify({ source: provider.status().source, digest, answers }));
  return svid;
}

const first = await round();
await once(process.stdin, 'data');
process.stdin.destroy();
// What a renewal does, without waiting for it to come due.
provider.invalidate(first);
provider.invalidate(await provider.accessToken());
await round();
