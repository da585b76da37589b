// Starts the emulator (tests/emulator), which plays a SPIFFE agent and OpenAI,
// and drives its control API.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const target = fileURLToPath(new URL('../../../../target/', import.meta.url));

/** Where the emulator is. */
export function emulatorProgram() {
  const built = process.env.SVIDEX_EMULATOR
    ? [process.env.SVIDEX_EMULATOR]
    : ['release', 'debug'].map((profile) => join(target, profile, 'svidex-emulator'));
  const found = built.find(existsSync);
  if (!found) throw new Error('no emulator: run `cargo build -p svidex-emulator` first');
  return found;
}

/** One emulator of this test file's own; `await using`, or call `stop`. */
export async function startEmulator(...args) {
  const dir = mkdtempSync(join(tmpdir(), 'svidex-node-'));
  const child = spawn(emulatorProgram(), ['serve', '--dir', dir, '--until-stdin-closes', ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [line] = await Promise.race([
    once(createInterface(child.stdout), 'line'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`the emulator ended with ${code} before it was ready`);
    }),
  ]);
  return new Emulator(JSON.parse(line), async () => {
    const ended = once(child, 'exit');
    child.stdin.end();
    await ended;
    rmSync(dir, { recursive: true, force: true });
  });
}

export class Emulator {
  constructor(info, stop = async () => {}) {
    this.info = info;
    this.stop = stop;
  }

  /** Options of a provider that uses the Workload API and the token endpoint over TLS. */
  get options() {
    return { endpointSocket: this.info.endpoint_socket, ...this.exchange };
  }

  /** The part of the options that an exchange needs. */
  get exchange() {
    return {
      identityProviderId: this.info.identity_provider_id,
      serviceAccountId: this.info.service_account_id,
      tokenEndpoint: this.info.token_endpoint,
      caFile: this.info.ca_file,
    };
  }

  counters() {
    return this.#control('GET', '/counters');
  }

  settings(change) {
    return this.#control('POST', '/settings', change);
  }

  /** Replaces the fault of a leg: `workload_api`, `token_endpoint`, `api`, `discovery`. */
  fault(leg, fault) {
    return this.#control('POST', '/faults', { leg, fault });
  }

  heal() {
    return this.#control('DELETE', '/faults');
  }

  /** Requests on a leg wait until they are let go. */
  hold(leg, hold = true) {
    return this.#control('POST', '/barrier', { leg, hold });
  }

  /** Resolves when `count` requests wait on a leg that is held. */
  waiting(leg, count = 1) {
    return this.#control('GET', `/barrier/${leg}?waiting=${count}`);
  }

  tokenFile(change) {
    return this.#control('POST', '/token-file', change);
  }

  revoke(which) {
    return this.#control('POST', '/revoke', which);
  }

  async #control(method, path, body) {
    const response = await fetch(this.info.control + path, {
      method,
      ...(body && {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : undefined;
  }
}
