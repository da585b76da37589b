import type * as Addon from './addon';

const PLATFORM_PACKAGE = 'svidex-linux-x64-gnu';

function load(): typeof Addon {
  try {
    // Spelled out, so that bundlers see it.
    return require('svidex-linux-x64-gnu');
  } catch (cause) {
    throw new Error(explain(cause), { cause });
  }
}

function explain(cause: unknown): string {
  const here = `${process.platform}-${process.arch}`;
  if (here !== 'linux-x64') return `svidex has no native library for ${here}, only for linux-x64`;
  if ((cause as NodeJS.ErrnoException | null)?.code === 'MODULE_NOT_FOUND') {
    return (
      `the package ${PLATFORM_PACKAGE}, svidex's native library, is not installed: install again ` +
      'on this machine, and without leaving out optional dependencies'
    );
  }
  return `svidex's native library could not be loaded; it needs glibc: ${String(cause)}`;
}

/** @internal */
export const addon: typeof Addon = load();
