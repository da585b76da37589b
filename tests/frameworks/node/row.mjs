// Puts one framework at the disposal of run.py: see judge.py for what it is asked.
//
// usage: row.mjs ROW      (the emulator is described by SVIDEX_EMULATOR_INFO)
import { createInterface } from 'node:readline';
import { SvidexError } from 'svidex';

if (!process.versions.node.startsWith('22.')) {
  // Node 20's own fetch knows no proxy.
  const { EnvHttpProxyAgent, setGlobalDispatcher } = await import('undici');
  setGlobalDispatcher(new EnvHttpProxyAgent());
}

// What the frameworks print is not an answer.
const answers = process.stdout.write.bind(process.stdout);
process.stdout.write = () => true;
console.error = console.warn = () => {};

function chain(error) {
  const found = [];
  for (let at = error; at && !found.includes(at); at = at.cause ?? at.lastError) found.push(at);
  return found;
}

// By name, as they are asked for.
const rows = new Map(Object.entries(await import('./rows.mjs')));
let ask;
for await (const line of createInterface(process.stdin)) {
  let said;
  const [word, times = 1] = line.trim().split(' ');
  try {
    if (word === 'begin') {
      ask = await rows.get(process.argv[2])();
      said = { answer: '' };
    } else {
      for (let left = Number(times); left > 0; left -= 1) {
        said = { answer: String(await ask()) };
      }
    }
  } catch (error) {
    const causes = chain(error);
    said = {
      // The SDK's errors have one name; their classes have another.
      error: error.constructor?.name ?? typeof error,
      ours: causes.some((cause) => cause instanceof SvidexError),
      message: causes
        .map((cause) => `${cause.name}: ${cause.message}`)
        .join(' <- ')
        .slice(0, 500),
    };
  }
  answers(`${JSON.stringify(said)}\n`);
}
process.exit(0);
