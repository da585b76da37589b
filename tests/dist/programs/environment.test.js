// The same in the context that Jest makes for a test.
const { Provider } = require('svidex');

test('the environment of the test', () => {
  process.env.SPIFFE_ENDPOINT_SOCKET = 'unix:///of/the/program.sock';
  const provider = Provider.fromEnv();
  expect(provider.status().source).toMatch('of/the/program');
  provider.close();
});
