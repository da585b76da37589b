// Counters and ages, as OpenTelemetry and Prometheus read them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { exposition, observe } from 'svidex/metrics';

const vectors = new URL('../../../tests/vectors/metrics.json', import.meta.url);
const audience = 'https://api.openai.com/v1';

function providerOf(given) {
  const token = (of) =>
    of && { expiresInSeconds: of.expires_in_seconds, ageSeconds: of.age_seconds };
  const status = {
    audience,
    fetches: given.fetches,
    fetchFailures: given.fetch_failures,
    exchanges: given.exchanges,
    exchangeFailures: given.exchange_failures,
    subjectToken: token(given.subject_token),
    accessToken: token(given.access_token),
  };
  return { status: () => status };
}

for (const { id, given, expected } of JSON.parse(readFileSync(vectors))) {
  test(`vector ${id}`, () => {
    const seen = [];
    const create = (name) => ({
      addCallback: (callback) =>
        callback({ observe: (value, labels) => seen.push({ name, labels, value }) }),
    });
    observe(given.map(providerOf), {
      createObservableCounter: create,
      createObservableGauge: create,
    });
    const whole = expected.map((one) => ({ ...one, labels: { ...one.labels, audience } }));
    assert.deepEqual(seen, whole);
  });
}

test('several providers are one source', () => {
  const [given] = JSON.parse(readFileSync(vectors))[0].given;
  const other = { ...providerOf(given).status(), audience: 'https://api.anthropic.com' };
  const text = exposition([providerOf(given), { status: () => other }]);
  assert.equal(text.match(/^# TYPE svidex_token_held gauge$/gm).length, 1);
  for (const of of [audience, other.audience]) {
    assert.ok(text.includes(`svidex_token_held{token="access",audience="${of}"} 0\n`), text);
  }
});

test("Prometheus's text", () => {
  const [given] = JSON.parse(readFileSync(vectors))[1].given;
  const text = exposition(providerOf(given));
  assert.match(text, /^# TYPE svidex_access_token_exchanges_total counter$/m);
  const line = `svidex_token_remaining_seconds{token="access",audience="${audience}"} 248`;
  assert.ok(text.split('\n').includes(line), text);
});
