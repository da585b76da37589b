// Asks where no identity is issued. Prints what the SDK throws, and its cause.
import { Provider, SvidexError } from 'svidex';
import { ask, makeClient, ways } from './sdk.mjs';

const provider = Provider.fromEnv({ callTimeoutSeconds: 2 });
const client = (await makeClient(ways[process.argv[2]](provider))).withOptions({ maxRetries: 2 });
const error = await ask(client).catch((thrown) => thrown);
const ours = error instanceof SvidexError ? error : error.cause;
console.log(JSON.stringify({ final: error === ours, code: ours?.code, message: error.message }));
