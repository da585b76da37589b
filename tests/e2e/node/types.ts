// What the README says to write, against the types of both official SDKs;
// types.test.mjs compiles it.
import OpenAI6 from 'openai';
import OpenAI7 from 'openai7';
import { Provider } from 'svidex';

const provider = Provider.fromEnv();

new OpenAI6({ workloadIdentity: provider.workloadIdentity() });
new OpenAI6({ apiKey: () => provider.accessToken() });
new OpenAI6({ apiKey: provider.accessToken });

new OpenAI7({ workloadIdentity: provider.workloadIdentity() });
new OpenAI7({ apiKey: () => provider.accessToken() });
new OpenAI7({ apiKey: provider.accessToken });
