// What the tests run in: the environment that they are given (svidex-emulator
// run, tests/spire/spire.py run), else an emulator of their own.
import { Emulator, startEmulator } from '../../../bindings/node/test/support/emulator.mjs';

export async function findWorld() {
  const given = process.env.SVIDEX_EMULATOR_INFO;
  return given ? new Emulator(JSON.parse(given)) : startEmulator();
}

/** The environment of a program, with the proxy playing OpenAI's hosts. */
export function environment({ info }, source) {
  const inherited = { ...process.env };
  for (const name of Object.keys(inherited)) {
    if (/^(OPENAI_|SVIDEX_|SPIFFE_|NODE_|SSL_CERT_|(https?|no|all)_proxy$)/i.test(name)) {
      delete inherited[name];
    }
  }
  return {
    ...inherited,
    ...(source === 'file'
      ? { OPENAI_IDENTITY_TOKEN_FILE: info.token_file }
      : { SPIFFE_ENDPOINT_SOCKET: info.endpoint_socket }),
    SVIDEX_SPIFFE_ID: info.spiffe_ids[0],
    OPENAI_IDENTITY_PROVIDER_ID: info.identity_provider_id,
    OPENAI_SERVICE_ACCOUNT_ID: info.service_account_id,
    HTTPS_PROXY: info.https_proxy,
    SSL_CERT_FILE: info.ca_file,
    NODE_EXTRA_CA_CERTS: info.ca_file,
  };
}
