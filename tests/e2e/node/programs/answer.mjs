// Asks, by the way named, and prints the distinct answers.
import { Provider } from 'svidex';
import { ask, makeClient, ways } from './sdk.mjs';

const provider = Provider.fromEnv();
const client = await makeClient(ways[process.argv[2]](provider));
console.log(JSON.stringify(await ask(client)));
