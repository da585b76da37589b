// Keeps calling until its tokens have been replaced as often as it is told, and
// prints what that took. Any call that fails ends it.
import { setTimeout as delay } from 'node:timers/promises';
import { Provider } from 'svidex';
import { makeClient } from './sdk.mjs';

const [way, settings] = process.argv.slice(2);
const { rotations, refreshBufferSeconds } = JSON.parse(settings);
const provider = Provider.fromEnv();
const events = [];
provider.observe(({ level, kind }) => events.push(`${level} ${kind}`));

/** The tokens that the SDK was given, each time it asked. */
const given = [];
const ways = {
  'access-token': () => ({
    apiKey: async () => {
      // From the second request on there is no patience: what is not in memory
      // is an error, and ends the program.
      const token = await provider.accessToken(given.length > 0 ? { timeoutSeconds: 0 } : {});
      given.push(token);
      return token;
    },
  }),
  callback: () => {
    const { provider: callback, ...identity } = provider.workloadIdentity();
    const getToken = async () => {
      const token = await callback.getToken();
      given.push(token);
      return token;
    };
    const workloadIdentity = { ...identity, provider: { ...callback, getToken } };
    // In proportion to the life of the SVIDs.
    return { workloadIdentity: { ...workloadIdentity, refreshBufferSeconds } };
  },
};

const client = await makeClient(ways[way]());
let requests = 0;
while (new Set(given).size <= rotations) {
  await client.models.list();
  requests++;
  // Leaves the machine to the others.
  await delay(20);
}
const { fetches, exchanges, fetchFailures, exchangeFailures } = provider.status();
provider.close();
console.log(
  JSON.stringify({
    requests,
    given: given.length,
    distinct: new Set(given).size,
    fetches,
    exchanges,
    failures: fetchFailures + exchangeFailures,
    events: [...new Set(events)].sort(),
  }),
);
