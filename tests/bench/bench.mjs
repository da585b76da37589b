// Warm reads in Node, beside the SDK's own cache and beside a call of nothing.
//
// Every round measures each once, in turn; prints one JSON line for each. The
// environment is the one that `svidex-emulator run` sets.
//
// usage: node bench.mjs ROUNDS SDK NOOP   SDK: an openai package's directory
//                                         NOOP: the addon that noop.c makes
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Provider } from '../../bindings/node/index.mjs';

// So few that most rounds end before the kernel turns to somebody else.
const CALLS = 1_000;
const WARM_UP_ROUNDS = 200;

const [rounds, sdkDirectory, noopPath] = process.argv.slice(2);
const require = createRequire(import.meta.url);
// Not exported by the SDK: the object that a client with `workloadIdentity` asks
// for its access token before each request. Warm, that is its cache alone.
const { WorkloadIdentityAuth } = await import(
  pathToFileURL(`${sdkDirectory}/auth/workload-identity-auth.mjs`)
);
const { version } = require(`${sdkDirectory}/package.json`);
const noop = require(noopPath);

const info = JSON.parse(process.env.SVIDEX_EMULATOR_INFO);
const provider = Provider.fromEnv();
// The SDK's exchange has a fixed address; here it goes to the emulator.
const sdk = new WorkloadIdentityAuth(provider.workloadIdentity(), (_address, request) =>
  fetch(info.token_endpoint_http, request),
);

// Each has a loop of its own: a shared one would be compiled for all of them.
const measures = {
  read: async () => {
    for (let i = 0; i < CALLS; i++) await provider.getToken();
  },
  sdk: async () => {
    for (let i = 0; i < CALLS; i++) await sdk.getToken();
  },
  noop: async () => {
    for (let i = 0; i < CALLS; i++) noop();
  },
};

async function nanosecondsPerCall(loop) {
  const began = process.hrtime.bigint();
  await loop();
  return Number(process.hrtime.bigint() - began) / CALLS;
}

const samples = Object.fromEntries(Object.keys(measures).map((name) => [name, []]));
// Tokens are fetched, code is compiled.
for (const loop of Object.values(measures)) {
  for (let round = 0; round < WARM_UP_ROUNDS; round++) await loop();
}
for (let round = 0; round < Number(rounds); round++) {
  for (const [name, loop] of Object.entries(measures)) {
    samples[name].push(await nanosecondsPerCall(loop));
  }
}
const runtime = `node${process.versions.node.split('.')[0]}`;
for (const [name, values] of Object.entries(samples)) {
  console.log(JSON.stringify({ id: `${runtime}.${name}`, unit: 'ns', samples: values }));
}
console.log(
  JSON.stringify({ id: `${runtime}.about`, text: `${process.versions.node}, openai ${version}` }),
);
provider.close();
