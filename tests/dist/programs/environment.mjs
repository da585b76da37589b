// Sets a variable in the environment that this runtime has.
import { Provider } from 'svidex';

process.env.SPIFFE_ENDPOINT_SOCKET = 'unix:///of/the/program.sock';
const provider = Provider.fromEnv();
console.log(provider.status().source);
provider.close();
