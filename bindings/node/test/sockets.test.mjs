// `socketOptions` with a server that speaks as much of a handshake as there is to see.
import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { test } from 'node:test';
import { FakeProvider, SvidexError } from 'svidex/testing';

/** What `ws` does with its options: the request, and how it ended. */
function handshake(url, options) {
  const headers = { connection: 'Upgrade', upgrade: 'websocket' };
  const asked = request(url, { ...options, headers });
  const ended = new Promise((resolve, reject) => {
    asked.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve(response.statusCode);
    });
    asked.on('response', (response) => resolve(response.statusCode));
    asked.on('error', reject);
  });
  options.finishRequest(asked);
  return ended;
}

async function server(t, accepts) {
  const seen = [];
  const listening = createServer();
  listening.on('upgrade', ({ headers }, socket) => {
    seen.push(headers.authorization);
    const line = accepts(headers.authorization) ? '101 Switching Protocols' : '401 Unauthorized';
    const upgrade = 'upgrade: websocket\r\nconnection: ';
    const close = 'content-length: 0\r\nconnection: close';
    socket.write(`HTTP/1.1 ${line}\r\n${line[0] === '1' ? `${upgrade}Upgrade` : close}\r\n\r\n`);
    if (line[0] !== '1') socket.end();
  });
  await new Promise((resolve) => listening.listen(0, '127.0.0.1', resolve));
  t.after(() => listening.close());
  return { seen, origin: `http://127.0.0.1:${listening.address().port}` };
}

test('a handshake that is answered 401 is sent once more with a new token', async (t) => {
  const { seen, origin } = await server(t, (given) => given === 'Bearer access-token-2');
  const provider = new FakeProvider();
  assert.equal(await handshake(origin, provider.socketOptions({ hosts: [origin] })), 101);
  assert.deepEqual(seen, ['Bearer access-token-1', 'Bearer access-token-2']);
  assert.deepEqual(provider.invalidated, ['access-token-1']);
});

test('but never more than once', async (t) => {
  const { seen, origin } = await server(t, () => false);
  const options = new FakeProvider().socketOptions({ hosts: [origin] });
  assert.equal(await handshake(origin, options), 401);
  assert.equal(seen.length, 2);
});

test('another host gets no token', async (t) => {
  const { seen, origin } = await server(t, () => true);
  assert.equal(await handshake(origin, new FakeProvider().socketOptions()), 101);
  assert.deepEqual(seen, [undefined]);
});

test('a failure to get a token is the error of the handshake', async (t) => {
  const { seen, origin } = await server(t, () => true);
  const error = new SvidexError('source_unavailable', 'no agent');
  const options = new FakeProvider({ error }).socketOptions({ hosts: [origin] });
  await assert.rejects(handshake(origin, options), error);
  assert.deepEqual(seen, []);
});
