// Ten rotations of the SVID under a program that keeps calling through the
// official SDK: how often it exchanges, and whether a request ever waits or fails.
//
// SVIDs that live for five minutes live for five seconds here. At that scale the
// whole seconds of `exp` leave an agent no room to repeat an SVID until half its
// life, so it makes a new one for each fetch, as SPIRE's does with JTI. With
// SVIDEX_LONG=1 they live for twenty, and are repeated.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startEmulator } from '../../../bindings/node/test/support/emulator.mjs';
import { startFile } from '../../../bindings/node/test/support/run.mjs';
import { runtimes } from './runtimes.mjs';
import { environment } from './world.mjs';

const long = process.env.SVIDEX_LONG === '1';
const svidSeconds = long ? 20 : 5;
// svidex's 15 seconds for SVIDs of 300.
const refreshBufferSeconds = svidSeconds / 20;
const rotations = 10;

const program = fileURLToPath(new URL('programs/rotations.mjs', import.meta.url));
const given = process.env.SVIDEX_EMULATOR_INFO !== undefined;
const skip = given && 'SVIDs of a few seconds are the emulator’s';

/** Runs the program, alone with an emulator; what it printed, and the counters. */
async function run(t, { node, variables }, way) {
  const world = await startEmulator();
  try {
    await world.settings({ svid_ttl_seconds: svidSeconds, svid_repeat: long });
    const settings = JSON.stringify({ rotations, refreshBufferSeconds });
    const { status, stdout, stderr } = await startFile(program, [way, settings], {
      node,
      env: { ...environment(world, 'workload_api'), ...variables },
      inherit: false,
      // A rotation takes less than an SVID's life.
      guardMs: 2 * rotations * svidSeconds * 1000,
    }).ended;
    assert.equal(stderr, '');
    assert.equal(status, 0);
    const printed = JSON.parse(stdout);
    const counters = await world.counters();
    t.diagnostic(
      `SVIDs of ${svidSeconds} s: ${printed.requests} requests, ${counters.exchanges} exchanges, ` +
        `${counters.fetch_jwt_svid} fetches of ${counters.svids_minted} SVIDs`,
    );
    assert.equal(printed.failures, 0);
    assert.equal(counters.exchanges_ok, counters.exchanges);
    return { printed, counters };
  } finally {
    await world.stop();
  }
}

// All at once: they mostly wait.
describe('ten rotations', { concurrency: true, skip }, () => {
  for (const runtime of runtimes) {
    describe(runtime.name, { concurrency: true }, () => {
      // Where svidex exchanges, it does so once per rotation, before anybody waits.
      test('access-token: one exchange per rotation, none in the way of a request', async (t) => {
        const { printed, counters } = await run(t, runtime, 'access-token');
        const tokens = rotations + 1;
        assert.equal(printed.distinct, tokens);
        assert.equal(printed.given, printed.requests);
        assert.equal(printed.exchanges, tokens);
        assert.equal(counters.exchanges, tokens);
        assert.equal(counters.svids_minted, tokens);
        // An agent that repeats its SVID may be asked once too early each time.
        if (!long) assert.equal(counters.fetch_jwt_svid, tokens);
        assert.equal(counters.api_requests, printed.requests);
        assert.equal(counters.api_unauthorized, 0);
        assert.deepEqual(printed.events, [
          'debug access_token_exchanged',
          'debug subject_token_fetched',
        ]);
      });

      // The SDK exchanges when its token has no more left than the buffer. By then
      // svidex holds the next SVID, so each SVID is exchanged once: eleven.
      test('callback: one exchange per rotation, and no request fails', async (t) => {
        const { printed, counters } = await run(t, runtime, 'callback');
        assert.equal(printed.distinct, rotations + 1);
        assert.equal(printed.given, rotations + 1);
        assert.equal(counters.exchanges, rotations + 1);
        assert.equal(printed.exchanges, 0);
        assert.deepEqual(printed.events, ['debug subject_token_fetched']);
      });
    });
  }
});
