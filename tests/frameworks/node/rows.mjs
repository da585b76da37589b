// One function for each framework: gives one that asks a model who we are.
//
// Each has what its users would write. It is called anew for a fresh start, and its
// function many times.
import { Provider } from 'svidex';

const model = 'gpt-5-mini';
const input = 'Who am I?';
const world = JSON.parse(process.env.SVIDEX_EMULATOR_INFO);

export async function openai() {
  const { default: OpenAI } = await import('openai');
  const client = Provider.fromEnv().openai(OpenAI);
  return async () => (await client.responses.create({ model, input })).output_text;
}

// The SDK's own exchange, for the benchmarks to compare with.
export async function openaiFederation() {
  const { default: OpenAI } = await import('openai');
  const client = new OpenAI({ workloadIdentity: Provider.fromEnv().workloadIdentity() });
  return async () => (await client.responses.create({ model, input })).output_text;
}

export async function openaiStream() {
  const { default: OpenAI } = await import('openai');
  const client = Provider.fromEnv().openai(OpenAI);
  return async () => {
    let text = '';
    for await (const event of await client.responses.create({ model, input, stream: true })) {
      if (event.type === 'response.output_text.delta') text += event.delta;
    }
    return text;
  };
}

export async function openaiSockets() {
  const { default: OpenAI } = await import('openai');
  const { OpenAIRealtimeWS } = await import('openai/realtime/ws');
  const { ResponsesWS } = await import('openai/resources/responses/ws');
  const provider = Provider.fromEnv();
  // Not by the proxy, which sockets do not know.
  const client = provider.openai(OpenAI, { baseURL: world.api_base_url });
  const options = provider.socketOptions({ hosts: [new URL(world.api_base_url).origin] });
  return async () => {
    const realtime = await OpenAIRealtimeWS.create(client, { model, options });
    await new Promise((resolve, reject) => {
      realtime.on('session.created', resolve);
      realtime.on('error', reject);
    });
    realtime.close();
    const responses = new ResponsesWS(client, options);
    const text = await new Promise((resolve, reject) => {
      responses.on('response.output_text.done', (event) => resolve(event.text));
      responses.on('error', reject);
      responses.socket.on('open', () => responses.send({ type: 'response.create', model, input }));
    });
    responses.close();
    return text;
  };
}

export async function fetching() {
  const fetch = Provider.fromEnv().fetch();
  return async () => {
    const response = await fetch('https://api.openai.com/v1/responses', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model, input }),
    });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return response.text();
  };
}

// Both of its majors take a `fetch`; the key is replaced by it.
export async function aiSdk() {
  const { createOpenAI } = await import('@ai-sdk/openai');
  const { generateText } = await import('ai');
  const openai = createOpenAI({ apiKey: 'unused', fetch: Provider.fromEnv().fetch() });
  return async () => (await generateText({ model: openai(model), prompt: input })).text;
}

export async function langchain() {
  const { ChatOpenAI } = await import('@langchain/openai');
  const configuration = { fetch: Provider.fromEnv().fetch() };
  const chat = new ChatOpenAI({ model, apiKey: 'unused', configuration });
  return async () => (await chat.invoke(input)).content;
}

export async function agents() {
  const { default: OpenAI } = await import('openai');
  const { Agent, BatchTraceProcessor, OpenAIProvider, Runner, setTraceProcessors } = await import(
    '@openai/agents'
  );
  const { OpenAITracingExporter } = await import('@openai/agents-openai');
  const provider = Provider.fromEnv();
  const modelProvider = new OpenAIProvider({ openAIClient: provider.openai(OpenAI) });
  const runner = new Runner({ modelProvider });
  // An exporter has one key; this one is made anew for each export.
  const traces = {
    export: async (items, signal) =>
      new OpenAITracingExporter({ apiKey: await provider.accessToken() }).export(items, signal),
  };
  setTraceProcessors([new BatchTraceProcessor(traces)]);
  return async () => (await runner.run(new Agent({ name: 'asker', model }), input)).finalOutput;
}

export async function anthropic() {
  const { default: Anthropic } = await import('@anthropic-ai/sdk');
  const { oidcFederationProvider } = await import(
    '@anthropic-ai/sdk/lib/credentials/oidc-federation'
  );
  const provider = Provider.fromEnv({ audience: 'https://api.anthropic.com' });
  const client = new Anthropic({
    credentials: oidcFederationProvider({
      identityTokenProvider: () => provider.getToken(),
      federationRuleId: 'fdrl_emulator',
      organizationId: '00000000-0000-4000-8000-000000000000',
      serviceAccountId: 'svac_emulator',
      baseURL: 'https://api.anthropic.com',
      fetch,
    }),
  });
  const messages = [{ role: 'user', content: input }];
  return async () => {
    const message = await client.messages.create({ model: 'claude', max_tokens: 99, messages });
    return message.content[0].text;
  };
}
