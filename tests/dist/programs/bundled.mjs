// The main job, in a form that bundlers take for any module system.
import { Provider } from 'svidex';

const provider = Provider.fromEnv();
provider.accessToken().then((token) => console.log(provider.status().spiffeId, token));
