import type { Failure, NativeExamination, NativeReport } from './addon';
import { cancelled } from './calls';
import { errorFrom, guarded } from './errors';
import { addon } from './native';
import {
  checkDoctorOptions,
  checkExaminationOptions,
  type DoctorOptions,
  type ExaminationOptions,
} from './options';
import { onAbort } from './signals';

/** How a step ended; `warning`: it works, or may work, and is worth a look. */
export type Outcome = 'ok' | 'warning' | 'failed' | 'skipped';

/** One step. Nothing in it is text of a token. */
export interface Check {
  /** Which step, such as `svid_aud`. There may be more of them in a later version. */
  readonly id: string;
  readonly outcome: Outcome;
  /** What was seen, or why nothing was. */
  readonly seen: string;
  /** What to do, the likeliest first; never empty for `warning` and `failed`. */
  readonly advice: readonly string[];
}

/** All steps of one examination, in their order. */
export interface Report {
  /** The version of svidex. */
  readonly svidex: string;
  /** When it began. */
  readonly at: Date;
  /** No check failed. */
  readonly healthy: boolean;
  readonly checks: readonly Check[];
  /** For people: a line for each check. */
  toString(): string;
}

/** How often a wait looks up: an examination takes many times as long. */
const SLICE_MS = 20;

/**
 * Tries every step from the configuration to the access token once, and says what
 * to do about what is wrong.
 *
 * It looks at what {@link Provider.fromEnv} would be made of; settings that none can be
 * made of are the first finding. It fetches one SVID, looks its issuer's keys up,
 * exchanges it once if the two IDs are set, and compares the clocks. It takes the time
 * of a few requests, each with `requestTimeoutSeconds`.
 *
 * @throws {SvidexError} by rejection: `cancelled`, or `source_unavailable` if the
 * system has no room for it. What is wrong outside is in the report.
 */
export async function doctor(options?: DoctorOptions): Promise<Report> {
  const { settings, jwksFile, adminKeyEnv, signal } = checkDoctorOptions(options);
  return wait(() => addon.examine(settings, jwksFile, adminKeyEnv), signal);
}

/** @internal Of a provider. */
export async function doctorOf(
  begin: (
    jwksFile: string | undefined,
    adminKeyEnv: string | undefined,
  ) => NativeExamination | Failure,
  options: ExaminationOptions | undefined,
): Promise<Report> {
  const { jwksFile, adminKeyEnv, signal } = checkExaminationOptions(options);
  return wait(() => begin(jwksFile, adminKeyEnv), signal);
}

async function wait(
  begin: () => NativeExamination | Failure,
  signal: AbortSignal | undefined,
): Promise<Report> {
  if (signal?.aborted) throw cancelled(signal);
  const examination = guarded(begin);
  if ('retryable' in examination) throw errorFrom(examination);
  let wake: (() => void) | undefined;
  const forget = signal && onAbort(signal, () => wake?.());
  try {
    for (;;) {
      const ended = guarded(() => examination.poll());
      if (ended === undefined || ended === null) {
        await new Promise<void>((resolve) => {
          // Keeps the process alive, as a pending call does.
          const timer = setTimeout(resolve, SLICE_MS);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        if (signal?.aborted) throw cancelled(signal);
      } else if ('retryable' in ended) {
        throw errorFrom(ended);
      } else {
        return reportFrom(ended);
      }
    }
  } finally {
    forget?.();
    guarded(() => examination.stop());
  }
}

function reportFrom({ text, atMs, ...same }: NativeReport): Report {
  const report = { ...same, at: new Date(atMs) };
  // Not enumerable: what is printed or compared is the data.
  return Object.defineProperty(report, 'toString', { value: () => text });
}
