// The vectors that every language runs: tests/vectors/README.md says what they mean.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Provider } from 'svidex';
import { failsWith } from './support/assertions.mjs';

const VARIABLES = [
  'SPIFFE_ENDPOINT_SOCKET',
  'OPENAI_IDENTITY_TOKEN_FILE',
  'SVIDEX_AUDIENCE',
  'SVIDEX_SPIFFE_ID',
  'OPENAI_IDENTITY_PROVIDER_ID',
  'OPENAI_SERVICE_ACCOUNT_ID',
  'SVIDEX_TOKEN_ENDPOINT',
  'OPENAI_API_KEY',
  'HTTPS_PROXY',
  'https_proxy',
  'ALL_PROXY',
  'all_proxy',
  'NO_PROXY',
  'no_proxy',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
];
const EXPECTATIONS = [
  'source',
  'audience',
  'warnings_contain',
  'status_lacks',
  'workload_identity',
  'access_token_error',
  'core',
];
const NUMBERS = {
  nan: Number.NaN,
  inf: Number.POSITIVE_INFINITY,
  '-inf': Number.NEGATIVE_INFINITY,
};

const vectors = (name) =>
  JSON.parse(readFileSync(new URL(`../../../tests/vectors/${name}.json`, import.meta.url), 'utf8'));

const camel = (name) => name.replaceAll(/_./g, (pair) => pair[1].toUpperCase());

function value(given) {
  if (given?.text !== undefined) return given.text.repeat(given.times);
  if (given?.number !== undefined) return NUMBERS[given.number];
  return given;
}

const inCamelCase = (object) =>
  Object.fromEntries(Object.entries(object).map(([name, given]) => [camel(name), value(given)]));

for (const { id, given, expected } of vectors('config')) {
  test(id, async (t) => {
    for (const name of VARIABLES) delete process.env[name];
    Object.assign(process.env, given.env);
    const options = inCamelCase(given.config);
    const make = () => {
      const made = given.from_env ? Provider.fromEnv(options) : new Provider(options);
      t.after(() => made.close());
      return made;
    };
    if (expected.error_kind) return fails(make, expected);

    const provider = make();
    const status = provider.status();
    const { ok } = expected;
    assert.deepEqual(
      Object.keys(ok).filter((name) => !EXPECTATIONS.includes(name)),
      [],
    );
    for (const name of ['source', 'audience']) {
      if (name in ok) assert.equal(status[name], ok[name]);
    }
    if (ok.warnings_contain?.length === 0) assert.deepEqual(status.warnings, []);
    for (const part of ok.warnings_contain ?? []) {
      assert.ok(status.warnings.some((warning) => warning.includes(part)));
    }
    for (const part of ok.status_lacks ?? []) assert.ok(!JSON.stringify(status).includes(part));
    if (ok.workload_identity) {
      const { provider: callback, ...shown } = provider.workloadIdentity();
      assert.equal(callback.tokenType, 'jwt');
      const wanted = Object.entries(inCamelCase(ok.workload_identity));
      assert.deepEqual(shown, Object.fromEntries(wanted.filter(([, shape]) => shape !== null)));
    }
    if (ok.access_token_error) {
      await fails(() => provider.accessToken(), ok.access_token_error);
      assert.equal(provider.status().fetches, 0);
    }
  });
}

async function fails(action, { error_kind, message_contains = [], message_lacks = [] }) {
  const { message } = await failsWith(error_kind, action);
  for (const part of message_contains) assert.ok(message.includes(part), `${part}: ${message}`);
  for (const part of message_lacks) assert.ok(!message.includes(part), `${part}: ${message}`);
}

test('the codes of errors are those of every language', () => {
  const types = readFileSync(new URL('../types/errors.d.ts', import.meta.url), 'utf8');
  const declared = /type ErrorCode = ([^;]+);/.exec(types)[1].match(/\w+/g);
  assert.deepEqual(
    declared,
    vectors('errors').map(({ expected }) => expected.node_code),
  );
});

test('the kinds of events are those of every language', () => {
  const types = readFileSync(new URL('../types/events.d.ts', import.meta.url), 'utf8');
  const declared = /type EventKind = ([^;]+);/.exec(types)[1].match(/\w+/g);
  assert.deepEqual(
    declared,
    vectors('event_kinds').map(({ given }) => given.kind),
  );
});
