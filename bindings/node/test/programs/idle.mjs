// Holds both tokens, closes nothing, and comes to its end.
import { Provider } from 'svidex';

const provider = new Provider(JSON.parse(process.argv[2]));
await Promise.all([provider.getToken(), provider.accessToken()]);
console.log('the last line');
