import { Provider } from 'svidex';

// The official SDK as it is published, with every URL at its default. The
// driver has set what an operator sets: the workload's variables, the proxy,
// the CA.
const { default: OpenAI } = await import(process.env.SVIDEX_E2E_SDK);

export { OpenAI };

/** A client that authenticates by `credentials`; by ours, if that is a provider. */
export async function makeClient(credentials, more = {}) {
  const options = { ...(await transport()), maxRetries: 0, ...more };
  if (credentials instanceof Provider) return credentials.openai(OpenAI, options);
  return new OpenAI({ ...credentials, ...options });
}

/** Node 22's own fetch heeds the proxy variables when asked to; Node 20's does not. */
async function transport() {
  if (process.env.NODE_USE_ENV_PROXY) return {};
  const { EnvHttpProxyAgent, fetch } = await import('undici');
  const dispatcher = new EnvHttpProxyAgent();
  return { fetch: (url, init) => fetch(url, { ...init, dispatcher }) };
}
