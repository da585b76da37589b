// Builds the native library into its platform package, and the types that its
// Rust source declares into build/ (a test compares them with lib/addon.d.ts).
//
//   node scripts/build-native.mjs [--release]
//   node scripts/build-native.mjs --types     also update lib/addon.d.ts
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);
const here = fileURLToPath(root);
const flags = process.argv.slice(2);

mkdirSync(new URL('build/', root), { recursive: true });
const build = spawnSync(
  fileURLToPath(new URL('node_modules/.bin/napi', root)),
  [
    'build',
    '--platform',
    '--no-js',
    '--dts-header',
    '// Generated from src/ by scripts/build-native.mjs: do not edit.\n\n',
    ...['--output-dir', 'build', '--dts', 'addon.d.ts'],
    ...(flags.includes('--release') ? ['--release'] : []),
  ],
  { cwd: here, stdio: 'inherit' },
);
if (build.error) throw build.error;
if (build.status !== 0) process.exit(build.status ?? 1);

// Moved, not written over: a process that has the old one loaded keeps it.
const library = 'svidex.linux-x64-gnu.node';
renameSync(new URL(`build/${library}`, root), new URL(`npm/linux-x64-gnu/${library}`, root));
if (flags.includes('--types')) {
  copyFileSync(new URL('build/addon.d.ts', root), new URL('lib/addon.d.ts', root));
}
