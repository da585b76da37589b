// The packages as npm would publish them, installed into an empty project; and
// the committed types against what the sources say.
import assert from 'node:assert/strict';
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { platform, root, run } from './support/run.mjs';

const read = (...path) => readFileSync(join(...path), 'utf8');
const tsc = join(root, 'node_modules/.bin/tsc');
let project;

before(async () => {
  project = mkdtempSync(join(tmpdir(), 'svidex-npm-'));
  writeFileSync(join(project, 'package.json'), '{ "name": "consumer", "private": true }');
  const packed = [];
  for (const folder of [root, join(root, 'npm', platform)]) {
    const pack = await run('npm', ['pack', '--json', '--pack-destination', project, folder]);
    assert.equal(pack.status, 0, pack.stderr);
    packed.push(...JSON.parse(pack.stdout));
  }
  assert.deepEqual(
    packed.map(({ name }) => name),
    ['svidex', `svidex-${platform}`],
  );
  // The platform package by hand: until both are published, npm finds it nowhere.
  const archives = packed.map(({ filename }) => join(project, filename));
  const install = await npm('install', '--offline', '--omit=optional', ...archives);
  assert.equal(install.status, 0, install.stderr);
});
after(() => rmSync(project, { recursive: true, force: true }));

const npm = (...args) => run('npm', args, { cwd: project });

async function evaluate(source, ...flags) {
  const result = await run(process.execPath, [...flags, '--eval', source], { cwd: project });
  assert.equal(result.status, 0, result.stderr);
  return result.stdout.trim();
}

test('CommonJS and ES modules get the same thing', async () => {
  const use = `
    console.log(Object.keys(svidex).sort().join(), svidex.version);
    try { new svidex.Provider({}) } catch (error) {
      console.log(error instanceof svidex.SvidexError, error.code);
    }`;
  const { version } = JSON.parse(read(root, 'package.json'));
  const wanted = `Provider,SvidexError,version ${version}\ntrue invalid_config`;
  assert.equal(await evaluate(`const svidex = require('svidex');${use}`), wanted);
  const esm = `import * as svidex from 'svidex';${use}`;
  assert.equal(await evaluate(esm, '--input-type=module'), wanted);
  const both = `
    import { createRequire } from 'node:module';
    import { SvidexError } from 'svidex';
    const required = createRequire(import.meta.url)('svidex');
    console.log(required.SvidexError === SvidexError);`;
  assert.equal(await evaluate(both, '--input-type=module'), 'true');
});

test('the versions of both packages and of the native library agree', async () => {
  const main = JSON.parse(read(root, 'package.json'));
  assert.equal(JSON.parse(read(root, 'npm', platform, 'package.json')).version, main.version);
  const both = `console.log(require('svidex').version, require('svidex-${platform}').version())`;
  assert.equal(await evaluate(both), `${main.version} ${main.version}`);
});

test('nothing is published that a user has no use for', async () => {
  const files = (name) =>
    readdirSync(join(project, 'node_modules', name), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name);
  const allowed = /^(package\.json|README\.md|index\.mjs|index\.d\.mts|\w+\.js|\w+\.d\.ts)$/;
  assert.deepEqual(
    files('svidex').filter((name) => !allowed.test(name)),
    [],
  );
  assert.deepEqual(files(`svidex-${platform}`).sort(), ['package.json', `svidex.${platform}.node`]);
});

test('without its native library, importing works, and using it says what to do', async () => {
  const source = `
    const Module = require('node:module');
    const resolve = Module._resolveFilename;
    Module._resolveFilename = function (name, ...rest) {
      return resolve.call(this, name.startsWith('svidex-') ? 'not-there' : name, ...rest);
    };
    const use = (platform, arch, glibc) => {
      Object.defineProperty(process, 'platform', { value: platform });
      Object.defineProperty(process, 'arch', { value: arch });
      process.report.getReport = () => ({ header: { glibcVersionRuntime: glibc } });
      for (const name of Object.keys(require.cache)) delete require.cache[name];
      const { Provider } = require('svidex');
      try { Provider.fromEnv() } catch (error) { console.log(error.code, error.message) }
    };
    use('linux', 'x64', '2.36');
    use('linux', 'arm64');
    use('win32', 'x64');
    use('freebsd', 'riscv64');
    console.log(typeof require('svidex/testing'), typeof require('svidex').SvidexError);`;
  const [glibc, musl, windows, other, imported] = (await evaluate(source)).split('\n');
  assert.match(glibc, /^ERR_SVIDEX_NATIVE_LIBRARY .*svidex-linux-x64-gnu.* is not installed/);
  assert.match(musl, /^ERR_SVIDEX_NATIVE_LIBRARY .*svidex-linux-arm64-musl.* is not installed/);
  assert.match(windows, /^ERR_SVIDEX_NATIVE_LIBRARY .*no native library for win32-x64.*macOS/);
  assert.match(windows, /Windows is not supported/);
  assert.match(other, /^ERR_SVIDEX_NATIVE_LIBRARY .*no native library for freebsd-riscv64/);
  assert.equal(imported, 'object function');
});

test('a native library that does not load is the cause that the error names', async () => {
  const source = `
    const Module = require('node:module');
    const original = Module.prototype.require;
    Module.prototype.require = function (name) {
      if (name.startsWith('svidex-linux')) throw new Error('version GLIBC_2.17 not found');
      return original.call(this, name);
    };
    try { require('svidex').Provider.fromEnv() } catch (error) { console.log(error.message) }`;
  assert.match(await evaluate(source), /does not load on linux-.*GLIBC_2.17 not found/);
});

test('the command is on the PATH of npm, and says so where it has no library', async () => {
  const { version } = JSON.parse(read(root, 'package.json'));
  const says = await npm('exec', '--offline', '--', 'svidex', '--version');
  assert.equal(says.stdout, `svidex ${version}\n`, says.stderr);
  const command = join(project, 'node_modules/svidex/bin/svidex.js');
  const absent = await run(process.execPath, [
    '--eval',
    `Object.defineProperty(process, 'platform', { value: 'sunos' }); require('${command}')`,
  ]);
  assert.equal(absent.status, 1);
  assert.match(absent.stderr, /^svidex: svidex has no native library for sunos-/);
});

for (const [extension, module] of [
  ['cts', 'CommonJS'],
  ['mts', 'an ES module'],
]) {
  test(`tsc --strict takes a program that is ${module}`, async () => {
    const file = join(project, `consumer.${extension}`);
    copyFileSync(join(root, 'test/consumer/consumer.ts'), file);
    const compile = await run(tsc, [
      ...['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess'],
      ...['--target', 'es2022', '--module', 'node16', '--skipLibCheck', 'false', '--noEmit'],
      ...['--lib', 'es2022', '--typeRoots', join(root, 'node_modules/@types'), '--types', 'node'],
      file,
    ]);
    assert.equal(compile.status, 0, compile.stdout);
  });
}

test('the committed types are those of the sources', async (t) => {
  assert.equal(
    read(root, 'lib/addon.d.ts'),
    read(root, 'build/addon.d.ts'),
    'lib/addon.d.ts differs from what src/ declares: npm run build:native -- --types',
  );
  const fresh = mkdtempSync(join(tmpdir(), 'svidex-types-'));
  t.after(() => rmSync(fresh, { recursive: true }));
  const emit = ['--emitDeclarationOnly', '--declarationDir', fresh];
  const compile = await run(tsc, ['-p', join(root, 'lib'), ...emit]);
  assert.equal(compile.status, 0, compile.stdout);
  const types = join(root, 'types');
  assert.deepEqual(readdirSync(fresh).sort(), readdirSync(types).sort());
  for (const name of readdirSync(fresh)) {
    assert.equal(read(types, name), read(fresh, name), `types/${name}: npm run build:ts`);
  }
});
