import type { Completion, NativeCall, NativeProvider } from './addon';
import { defect, errorFrom, SvidexError } from './errors';
import type { CallOptions } from './options';
import { onAbort } from './signals';

/** @internal The two tokens. */
export type TokenKind = 'subject' | 'access';

/** @internal The calls of one provider that wait for native code. */
export class Calls {
  readonly #native: NativeProvider;
  readonly #waiting = new Map<number, (ended: Completion | SvidexError) => void>();
  #last = 0;

  constructor(native: NativeProvider) {
    this.#native = native;
  }

  async run(kind: TokenKind, { signal, timeoutSeconds }: CallOptions): Promise<string> {
    if (signal?.aborted) throw cancelled(signal);
    let call: NativeCall | undefined;
    const cancel = (): void => {
      try {
        call?.cancel();
      } catch (thrown) {
        // In a listener it would end the process; the call fails instead.
        this.#end(number, defect(thrown));
      }
    };
    this.#last = (this.#last + 1) >>> 0;
    const number = this.#last;
    const forget = signal && onAbort(signal, cancel);
    const ended = await new Promise<Completion | SvidexError>((resolve) => {
      this.#waiting.set(number, resolve);
      try {
        call = this.#native.start(kind, number, timeoutSeconds, this.#ring);
      } catch (thrown) {
        this.#end(number, defect(thrown));
      }
    });
    forget?.();
    // Made here, on this side of the `await`, the error's stack has the caller.
    if (ended instanceof SvidexError) throw ended;
    if (ended.token !== undefined) return ended.token;
    if (ended.failure === undefined) throw defect('a call ended with nothing');
    if (ended.failure.code === 'cancelled' && signal?.aborted) throw cancelled(signal);
    throw errorFrom(ended.failure);
  }

  /** Native code calls this when something can be taken. It must not throw. */
  readonly #ring = (): void => {
    try {
      for (let ended = this.#native.take(); ended !== null; ended = this.#native.take()) {
        this.#end(ended.call, ended);
      }
    } catch (thrown) {
      for (const number of [...this.#waiting.keys()]) this.#end(number, defect(thrown));
    }
  };

  #end(number: number, ended: Completion | SvidexError): void {
    this.#waiting.get(number)?.(ended);
    this.#waiting.delete(number);
  }
}

/** @internal What a call ends with that its signal ends. */
export function cancelled(signal: AbortSignal): SvidexError {
  return new SvidexError('cancelled', 'the call was cancelled by its signal', {
    cause: signal.reason,
  });
}
