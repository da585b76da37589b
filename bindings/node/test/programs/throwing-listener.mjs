// Its listener throws at every event; with `catches`, it says so and goes on.
import { Provider } from 'svidex';

const { options, catches } = JSON.parse(process.argv[2]);
const provider = new Provider(options);
const told = new Promise((resolve) => {
  provider.observe(({ kind }) => {
    if (kind === 'access_token_exchanged') resolve();
    throw new Error(`thrown at ${kind}`);
  });
});
if (catches) {
  process.on('uncaughtException', ({ message }, origin) => console.log(`${origin}: ${message}`));
}
// Events do not keep the process alive: until they have come, something must.
const alive = setInterval(() => {}, 1000);
await provider.accessToken();
await told;
clearInterval(alive);
