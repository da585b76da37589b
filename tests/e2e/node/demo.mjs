// The whole path once, configured by the environment alone: SVID, exchange, and
// an answer through the official SDK.
import OpenAI from 'openai';
import { Provider } from 'svidex';

const provider = Provider.fromEnv();
const client = provider.openai(OpenAI);
const answer = await client.responses.create({ model: 'gpt-5-mini', input: 'Who am I?' });

const { spiffeId, subjectToken, accessToken } = provider.status();
console.log(`SPIFFE ID:    ${spiffeId}`);
console.log(`JWT-SVID:     ${subjectToken.expiresInSeconds.toFixed()} s left`);
console.log(`access token: ${accessToken.expiresInSeconds.toFixed()} s left`);
console.log(`answer:       ${answer.output_text}`);
