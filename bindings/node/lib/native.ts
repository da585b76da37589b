import type * as Addon from './addon';

// Each name spelled out, so that bundlers see it.
const PACKAGES: Record<string, (() => typeof Addon)[]> = {
  'darwin-arm64': [() => require('svidex-darwin-arm64')],
  'darwin-x64': [() => require('svidex-darwin-x64')],
  'linux-arm64': [
    () => require('svidex-linux-arm64-gnu'),
    () => require('svidex-linux-arm64-musl'),
  ],
  'linux-x64': [() => require('svidex-linux-x64-gnu'), () => require('svidex-linux-x64-musl')],
};

function load(): typeof Addon {
  const causes: unknown[] = [];
  // npm installs the package of the system's libc alone. Where both lie, as in a folder
  // made elsewhere, the wrong one does not load.
  for (const required of PACKAGES[`${process.platform}-${process.arch}`] ?? []) {
    try {
      return required();
    } catch (cause) {
      causes.push(cause);
    }
  }
  return failing(explain(causes));
}

/** Types, fakes and the version are there without it: who calls it learns what is wrong. */
function failing(error: Error): typeof Addon {
  return new Proxy({} as typeof Addon, {
    get() {
      throw error;
    },
  });
}

function explain(causes: unknown[]): Error {
  const broken = causes.find((cause) => codeOf(cause) !== 'MODULE_NOT_FOUND');
  const error = new Error(
    broken === undefined
      ? absent()
      : `svidex's native library does not load on ${here()}: ${broken}`,
    { cause: broken ?? causes[0] },
  );
  return Object.assign(error, { code: 'ERR_SVIDEX_NATIVE_LIBRARY' });
}

function absent(): string {
  if (PACKAGES[`${process.platform}-${process.arch}`] === undefined) {
    const known = 'Linux (glibc 2.17 or musl 1.2, and later) and macOS, each on x64 and arm64';
    const instead =
      process.platform === 'win32'
        ? 'Windows is not supported, WSL and containers are'
        : 'tests can do with the fake of svidex/testing';
    return `svidex has no native library for ${here()}: there is one for ${known}; ${instead}`;
  }
  const name = `svidex-${here().replace('glibc', 'gnu')}`;
  return (
    `the package ${name}, svidex's native library, is not installed: install svidex again on ` +
    'this system (or with --os, --cpu and --libc of the system that it is for), and without ' +
    'leaving out optional dependencies'
  );
}

/** Such as linux-x64-musl. */
function here(): string {
  const machine = `${process.platform}-${process.arch}`;
  return process.platform === 'linux' ? `${machine}-${libc()}` : machine;
}

function libc(): 'glibc' | 'musl' {
  // What Node says of itself; of musl it says nothing.
  const report = process.report?.getReport() as
    | { header?: { glibcVersionRuntime?: string } }
    | undefined;
  return report?.header?.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
}

function codeOf(cause: unknown): unknown {
  return (cause as NodeJS.ErrnoException | null)?.code;
}

/** @internal */
export const addon: typeof Addon = load();
