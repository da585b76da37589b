// Builds the native library into this platform's package (npm/PLATFORM, as a release
// has one for each), and the types that its Rust source declares into build/ (a test
// compares them with lib/addon.d.ts).
//
//   node scripts/build-native.mjs [--release]
//   node scripts/build-native.mjs --types     also update lib/addon.d.ts
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);
const here = fileURLToPath(root);
const flags = process.argv.slice(2);

rmSync(new URL('build/', root), { recursive: true, force: true });
mkdirSync(new URL('build/', root));
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

// Named by napi for what it is: svidex.linux-x64-gnu.node.
const library = readdirSync(new URL('build/', root)).find((name) => name.endsWith('.node'));
if (library === undefined) throw new Error('build/ has no native library');
const platform = library.split('.')[1];
const { version, license, engines } = JSON.parse(readFileSync(new URL('package.json', root)));
const name = `svidex-${platform}`;
const place = new URL(`npm/${platform}/`, root);
rmSync(new URL('npm/', root), { recursive: true, force: true });
mkdirSync(place, { recursive: true });
writeFileSync(
  new URL('package.json', place),
  JSON.stringify({ name, version, license, engines, main: library, files: [library] }),
);
renameSync(new URL(`build/${library}`, root), new URL(library, place));
// `npm install` links it too, but has run before.
const link = new URL(`node_modules/${name}`, root);
rmSync(link, { recursive: true, force: true });
symlinkSync(`../npm/${platform}`, link);
if (flags.includes('--types')) {
  copyFileSync(new URL('build/addon.d.ts', root), new URL('lib/addon.d.ts', root));
}
