// The rows of ../rows.json, every way into the official SDKs.
//
// Rows with an emulator of their own run all at once: they mostly wait. SVIDs of a few
// seconds stand there for those of five minutes. At this scale whole seconds leave no
// room for an agent that repeats its SVID until half its life, so each fetch gets a new
// one, as from SPIRE with JTI. With SVIDEX_LONG they live longer, and are repeated.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startEmulator } from '../../../bindings/node/test/support/emulator.mjs';
import { startFile } from '../../../bindings/node/test/support/run.mjs';
import { runtimes } from './runtimes.mjs';
import { environment, findWorld } from './world.mjs';

const own = 'emulator of its own';
const given = process.env.SVIDEX_EMULATOR_INFO !== undefined;
const isSpire = given && JSON.parse(process.env.SVIDEX_EMULATOR_INFO).authority === 'spire';
const { rows } = JSON.parse(readFileSync(new URL('../rows.json', import.meta.url), 'utf8'));
const cases = rows.flatMap((row) =>
  (row.ways ?? ['client', 'callback', 'access_token']).map((way) => ({ row, way })),
);

/** A program that executes rows, and the directory of its files. */
function start(world, { node, variables }, guardMs) {
  const directory = mkdtempSync(join(tmpdir(), 'svidex-row-'));
  const program = startFile(fileURLToPath(new URL('programs/rows.mjs', import.meta.url)), [], {
    node,
    env: {
      ...environment(world, 'workload_api'),
      ...variables,
      SVIDEX_EMULATOR_INFO: JSON.stringify(world.info),
      ...(process.env.SVIDEX_LONG && { SVIDEX_LONG: '1' }),
    },
    inherit: false,
    guardMs,
  });
  return {
    async execute(what) {
      program.tell(JSON.stringify({ ...what, directory }));
      const line = await program.nextLine();
      if (line === undefined) assert.fail((await program.ended).stderr);
      const { ok, error, cause } = JSON.parse(line);
      assert.ok(ok, `${error}\n${cause}`);
    },
    async stop() {
      program.end();
      const { status, stderr } = await program.ended;
      rmSync(directory, { recursive: true });
      assert.equal(stderr, '');
      assert.equal(status, 0);
    },
  };
}

for (const runtime of runtimes) {
  describe(runtime.name, () => {
    let world;
    let program;
    before(async () => {
      world = await findWorld();
      program = start(world, runtime, 600_000);
    });
    after(async () => {
      try {
        await program.stop();
      } finally {
        await world.stop();
      }
    });

    for (const { row, way } of cases.filter(({ row }) => row.needs !== own)) {
      const skip =
        isSpire && row.needs === 'emulator' && 'asks of the agent what real SPIRE does not do';
      test(`${row.name} [${way}]`, { skip }, () => program.execute({ name: row.name, way }));
    }

    const wrong = [
      { steps: [{ ponder: true }] },
      { steps: [{ ask: 'responses', loudly: true }] },
      { steps: [{ ask: 'responses', error: { colour: 'red' } }] },
      { steps: [{ ask: 'responses', answer: 'somebody else' }] },
      { steps: [{ counted: { exchanges: 1 } }] },
      { steps: [{ ask: 'responses', error: { sdk: 'any' } }] },
      { steps: [], needs: 'a miracle' },
      { steps: [], mood: 'blue' },
    ];
    for (const row of wrong) {
      test(`what a runner does not know or find fails: ${JSON.stringify(row)}`, async () => {
        const execute = program.execute({ row: { name: 'a row', ...row }, way: 'client' });
        await assert.rejects(execute, assert.AssertionError);
      });
    }
  });
}

const skip = given && 'SVIDs of a few seconds are the emulator’s';
describe('alone with an emulator', { concurrency: true, skip }, () => {
  for (const runtime of runtimes) {
    for (const { row, way } of cases.filter(({ row }) => row.needs === own)) {
      test(`${runtime.name}: ${row.name} [${way}]`, async () => {
        const world = await startEmulator();
        // More than ten rotations take: a hang ends here.
        const program = start(world, runtime, 600_000);
        try {
          await program.execute({ name: row.name, way });
        } finally {
          await program.stop();
          await world.stop();
        }
      });
    }
  }
});
