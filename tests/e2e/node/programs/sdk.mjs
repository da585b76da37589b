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

const model = 'gpt-5-mini';
const input = 'Who am I?';
const messages = [{ role: 'user', content: input }];

/** The same question by two APIs, each plain and streaming; the distinct answers. */
export async function ask(client) {
  const plain = await client.responses.create({ model, input });
  const chat = await client.chat.completions.create({ model, messages });
  let streamed = '';
  for await (const event of await client.responses.create({ model, input, stream: true })) {
    if (event.type === 'response.output_text.delta') streamed += event.delta;
  }
  let streamedChat = '';
  for await (const chunk of await client.chat.completions.create({
    model,
    messages,
    stream: true,
  })) {
    streamedChat += chunk.choices[0]?.delta.content ?? '';
  }
  const answers = [plain.output_text, chat.choices[0].message.content, streamed, streamedChat];
  return [...new Set(answers)];
}

/** The credentials of every way. */
export const ways = {
  client: (provider) => provider,
  callback: (provider) => ({ workloadIdentity: provider.workloadIdentity() }),
  'access-token': (provider) => ({ apiKey: () => provider.accessToken() }),
};
