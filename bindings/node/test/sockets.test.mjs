// `socketOptions` with a server that speaks as much of a handshake as there is to see.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { FakeProvider, SvidexError } from 'svidex/testing';

/** What `ws` does with its options: the request, and how it ended. */
function handshake(url, options) {
  const headers = { ...options.headers, connection: 'Upgrade', upgrade: 'websocket' };
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

/** A server that keeps what it refused, and says what it does at the second attempt. */
async function keepingServer(t, second) {
  const sockets = [];
  const listening = createServer();
  listening.on('upgrade', (_, socket) => {
    sockets.push({ socket, closed: once(socket.resume(), 'end') });
    if (sockets.length === 2) second(socket);
    else socket.write('HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n');
  });
  await new Promise((resolve) => listening.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    listening.close();
    for (const { socket } of sockets) socket.destroy();
  });
  return { sockets, origin: `http://127.0.0.1:${listening.address().port}` };
}

test('the connection of the refused handshake is closed', { timeout: 20_000 }, async (t) => {
  const { sockets, origin } = await keepingServer(t, (socket) =>
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n',
    ),
  );
  // As `ws` does it: then no agent looks after the connection.
  const options = new FakeProvider().socketOptions({ hosts: [origin], createConnection: connect });
  assert.equal(await handshake(origin, options), 101);
  await sockets[0].closed;
});

test('who gives up while it is sent once more ends that too', { timeout: 20_000 }, async (t) => {
  let arrived;
  const arrival = new Promise((resolve) => {
    arrived = resolve;
  });
  const { sockets, origin } = await keepingServer(t, arrived);
  const options = new FakeProvider().socketOptions({ hosts: [origin], createConnection: connect });
  const asked = request(origin, {
    ...options,
    headers: { connection: 'Upgrade', upgrade: 'websocket' },
  });
  asked.on('error', () => {});
  options.finishRequest(asked);
  await arrival;
  // What `ws` does when it is closed before it is open.
  asked.abort();
  await sockets[1].closed;
});

test('who is refused twice leaves no connection', { timeout: 20_000 }, async (t) => {
  const refuse = 'HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n';
  const { sockets, origin } = await keepingServer(t, (socket) => socket.write(refuse));
  const options = new FakeProvider().socketOptions({ hosts: [origin], createConnection: connect });
  const headers = { connection: 'Upgrade', upgrade: 'websocket' };
  const asked = request(origin, { ...options, headers });
  const answered = once(asked, 'response');
  options.finishRequest(asked);
  await answered;
  // As `ws` gives up on what is no handshake.
  asked.abort();
  await Promise.all(sockets.map(({ closed }) => closed));
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

test('where a handshake goes counts, not what its host header says', async (t) => {
  const { seen, origin } = await server(t, () => true);
  const headers = { host: 'gateway.example' };
  const options = new FakeProvider().socketOptions({ hosts: ['http://gateway.example'], headers });
  assert.equal(await handshake(origin, options), 101);
  assert.deepEqual(seen, [undefined]);
});

test('what is no option is refused, not passed over', () => {
  for (const options of [null, 3, 'x', ['x'], { headers: 'x' }, { hosts: 'api.example.com' }]) {
    assert.throws(() => new FakeProvider().socketOptions(options), { code: 'invalid_config' });
  }
});
