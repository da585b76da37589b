// The pairs of SDK and Node that the tests run.
import { fileURLToPath } from 'node:url';

export const node22 = fileURLToPath(new URL('node_modules/node22/bin/node', import.meta.url));

export const runtimes = [
  {
    name: 'openai 6 on this Node',
    node: process.execPath,
    variables: { SVIDEX_E2E_SDK: 'openai' },
  },
  {
    name: 'openai 7 on Node 22',
    node: node22,
    variables: {
      SVIDEX_E2E_SDK: 'openai7',
      NODE_USE_ENV_PROXY: '1',
      // Node's remark on that very variable.
      NODE_OPTIONS: '--disable-warning=UNDICI-EHPA',
    },
  },
];
