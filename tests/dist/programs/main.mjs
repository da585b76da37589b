// The main job: who we are, and the access token.
import { Provider } from 'svidex';

const provider = Provider.fromEnv();
const token = await provider.accessToken();
console.log(provider.status().spiffeId, token);
