// The official openai package, unpatched, every way: our client, its own exchange
// with our callback, and our access token as its key.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startFile } from '../../../bindings/node/test/support/run.mjs';
import { runtimes } from './runtimes.mjs';
import { environment, findWorld, replaceTokenFile } from './world.mjs';

let world;

before(async () => {
  world = await findWorld();
});
after(() => world.stop());

const given = process.env.SVIDEX_EMULATOR_INFO !== undefined;
const emulated = { skip: given && 'injects a fault that real SPIRE does not have' };

for (const { name, node, variables } of runtimes) {
  describe(name, () => {
    const start = (program, way, source) =>
      startFile(fileURLToPath(new URL(`programs/${program}.mjs`, import.meta.url)), [way], {
        node,
        // As it is, and nothing of ours.
        env: { ...environment(world, source), ...variables },
        inherit: false,
      });
    const greeting = () => new RegExp(`\\b${world.info.spiffe_ids[0]}\\b`);

    for (const way of ['client', 'callback', 'access-token']) {
      for (const source of ['workload_api', 'file']) {
        test(`${way}, from the ${source === 'file' ? 'token file' : 'Workload API'}`, async () => {
          const earlier = await world.counters();
          const { status, stdout, stderr } = await start('answer', way, source).ended;
          assert.equal(status, 0, stderr);
          assert.equal(stderr, '');
          const answers = JSON.parse(stdout);
          assert.equal(answers.length, 1);
          assert.match(answers[0], greeting());

          const later = await world.counters();
          const since = (counter) => later[counter] - earlier[counter];
          assert.equal(since('api_requests'), 4);
          assert.equal(since('api_unauthorized'), 0);
          // openai 6 takes its buffer as it is: at these SVIDs' life, one at each request.
          const own = way === 'callback' && name.startsWith('openai 6');
          if (!own) assert.equal(since('exchanges'), 1);
          assert.ok(since('exchanges_ok') >= 1);
          for (const host of ['auth.openai.com', 'api.openai.com']) {
            const connects = (counters) => counters.proxy_connects[host] ?? 0;
            assert.ok(connects(later) > connects(earlier), `${host} was not asked for`);
          }
        });
      }

      test(`${way}, from a token file that is replaced`, async () => {
        const program = start('replaced-file', way, 'file');
        const first = JSON.parse(await program.nextLine());
        await replaceTokenFile(world);
        program.tell('replaced');
        const second = JSON.parse(await program.nextLine());
        const { status, stderr } = await program.ended;
        assert.equal(status, 0, stderr);
        assert.notEqual(first.digest, second.digest);
        for (const { source, answers } of [first, second]) {
          assert.equal(source, `file ${world.info.token_file}`);
          assert.equal(answers.length, 1);
          assert.match(answers[0], greeting());
        }
      });

      const title = `${way}, refused: the program sees our reason, and the SDK does not try again`;
      test(title, emulated, async (t) => {
        await world.fault('workload_api', { grpc_code: 'PermissionDenied' });
        t.after(() => world.heal());
        const earlier = await world.counters();
        const { status, stdout, stderr } = await start('refused', way, 'workload_api').ended;
        assert.equal(status, 0, stderr);
        const { final, code, message } = JSON.parse(stdout);
        assert.equal(code, 'permission_denied');
        assert.match(message, /not issued to this process/);
        // Errors are wrapped as the SDK's own, with ours as the cause.
        assert.equal(final, way === 'callback');
        const later = await world.counters();
        assert.equal(later.exchanges, earlier.exchanges);
        assert.equal(later.api_requests, earlier.api_requests);
      });
    }

    test(
      'client: what is refused, lost, uploaded, copied, and sent to others',
      emulated,
      async () => {
        const { status, stdout, stderr } = await startFile(
          fileURLToPath(new URL('programs/client.mjs', import.meta.url)),
          [],
          {
            node,
            env: {
              ...environment(world, 'workload_api'),
              ...variables,
              SVIDEX_EMULATOR_INFO: JSON.stringify(world.info),
            },
            inherit: false,
          },
        ).ended;
        assert.equal(status, 0, stderr);
        assert.match(stdout, /^ok \d+\n$/);
      },
    );
  });
}
