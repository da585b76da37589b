// Runs a program in a process of its own, and reports what it did.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));

/** Runs `source` as an ES module beside this package; `input` reaches it as `argv[2]`. */
export function runModule(source, { input = {}, env = {}, flags = [] } = {}) {
  return run(
    process.execPath,
    [...flags, '--input-type=module', '--eval', source, '--', JSON.stringify(input)],
    { cwd: root, env },
  );
}

/** Runs a command to its end. Killed (status null) if it hangs. */
export function run(command, args, { cwd = root, env = {} } = {}) {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 120_000,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    // When the program printed its last, to tell how long its exit took.
    let lastOutput = started;
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
      lastOutput = performance.now();
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (status, signal) => {
      const ended = performance.now();
      resolve({ status, signal, stdout, stderr, exitMs: ended - lastOutput, ms: ended - started });
    });
  });
}
