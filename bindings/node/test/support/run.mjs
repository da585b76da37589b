// Runs a program in a process of its own, and reports what it did.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));
/** What the package with the native library is named for: this machine's, such as linux-x64-gnu. */
export const [platform] = readdirSync(new URL('../../npm/', import.meta.url));

/** Starts `test/programs/NAME.mjs`; `input` reaches it as JSON, in `argv[2]`. */
export function startProgram(name, input, options) {
  const file = fileURLToPath(new URL(`../programs/${name}.mjs`, import.meta.url));
  return startFile(file, [JSON.stringify(input)], options);
}

/** Starts a program for Node: this one, or the one named. */
export function startFile(file, args, { node = process.execPath, ...options } = {}) {
  return start(node, [file, ...args], options);
}

/** Runs it to its end. */
export function runProgram(name, input, options) {
  return startProgram(name, input, options).ended;
}

/** Runs a command to its end. */
export function run(command, args, options) {
  return start(command, args, options).ended;
}

function start(command, args, options = {}) {
  const { cwd = root, env = {}, inherit = true, guardMs = 120_000 } = options;
  const child = spawn(command, args, {
    cwd,
    env: inherit ? { ...process.env, ...env } : env,
    // A hang ends here, with a signal and so without a status.
    timeout: guardMs,
    killSignal: 'SIGKILL',
  });
  const result = { stdout: '', stderr: '' };
  // When the program printed its last, to tell how long its exit took.
  let lastOutput = performance.now();
  child.stdout.setEncoding('utf8').on('data', (text) => {
    result.stdout += text;
    lastOutput = performance.now();
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    result.stderr += text;
  });
  let exited;
  child.on('exit', () => {
    exited = performance.now();
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    /** The next line that it prints. */
    nextLine: async () => (await lines.next()).value,
    /** Writes a line to it. */
    tell: (line) => child.stdin.write(`${line}\n`),
    /** Tells it that there is no more to come. */
    end: () => child.stdin.end(),
    ended: once(child, 'close').then(([status, signal]) => ({
      ...result,
      status,
      signal,
      exitMs: exited - lastOutput,
    })),
  };
}
