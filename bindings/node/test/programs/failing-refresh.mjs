// Reads on while the background refresh fails, and tells what the status says.
import { setTimeout as delay } from 'node:timers/promises';
import { Provider } from 'svidex';

process.on('unhandledRejection', () => console.log('unhandledRejection'));
process.on('warning', () => console.log('warning'));
const provider = new Provider(JSON.parse(process.argv[2]));
const token = await provider.getToken();
while (provider.status().fetchFailures === 0) {
  if ((await provider.getToken()) !== token) throw new Error('refreshed after all');
  await delay(10);
}
console.log(provider.status().lastError.code);
