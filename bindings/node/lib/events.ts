import type { NativeEvent, NativeObservation, NativeProvider } from './addon';
import { defect, errorFrom, type SvidexError } from './errors';

/**
 * How much an operator should care.
 *
 * - `debug`: the ordinary course of things: a token was renewed
 * - `info`: a change for the better, such as a recovery
 * - `warning`: something failed, and callers do not feel it yet: the token at hand has life left
 * - `error`: something failed, and callers feel it
 */
export type EventLevel = 'debug' | 'info' | 'warning' | 'error';

/**
 * What happened. More may be added.
 *
 * - `subject_token_fetched`: there is a new JWT-SVID
 * - `fetch_failed`: an attempt to get one failed
 * - `access_token_exchanged`: it was exchanged for an access token
 * - `exchange_failed`: an attempt to exchange it failed
 * - `identity_withdrawn`: the Workload API denies the identity; both tokens were dropped
 * - `worker_failed`: a defect in svidex
 * - `access_token_read`: with `accessTokenFile`: there is a new access token in it
 * - `read_failed`: it could not be read, or holds none of use, or is not replaced
 */
export type EventKind =
  | 'subject_token_fetched'
  | 'fetch_failed'
  | 'access_token_exchanged'
  | 'exchange_failed'
  | 'identity_withdrawn'
  | 'worker_failed'
  | 'access_token_read'
  | 'read_failed';

/** One thing that happened in the background. Never holds token text. */
export interface ProviderEvent {
  readonly level: EventLevel;
  readonly kind: EventKind;
  /** The same in words, in English, with what is left of the token at hand. */
  readonly message: string;
  readonly at: Date;
  /** The cause of a failure; absent if nothing failed. */
  readonly error?: SvidexError;
  /**
   * How many events are missing between the one before and this one, because the
   * listener was too far behind; absent if none.
   */
  readonly dropped?: number;
}

type Listener = (event: ProviderEvent) => void;

/** What native code has collected for one listener. */
class Observation {
  readonly #native: NativeObservation;
  #listener: Listener | undefined;

  constructor(native: NativeProvider, listener: Listener) {
    // Native code holds what it calls for as long as there is a provider, and a
    // listener usually leads to its provider: held strongly, neither would ever go.
    const self = new WeakRef(this);
    this.#native = native.observe(() => {
      const observation = self.deref();
      if (observation !== undefined) observation.#deliver();
    });
    this.#listener = listener;
  }

  stop(): void {
    this.#listener = undefined;
  }

  /** Native code calls this when something can be taken. It must not throw. */
  #deliver(): void {
    try {
      // Looked at each time: a listener may stop its own observation.
      while (this.#listener !== undefined) {
        const event = this.#native.take();
        if (event === null) return;
        tell(this.#listener, eventFrom(event));
      }
    } catch (thrown) {
      if (this.#listener !== undefined) tell(this.#listener, defectEvent(thrown));
    }
  }
}

function tell(listener: Listener, event: ProviderEvent): void {
  try {
    listener(event);
  } catch (thrown) {
    // As Node's EventTarget does it, so that it costs no other event.
    process.nextTick(() => {
      throw thrown;
    });
  }
}

/** By provider, and not longer than it: see the constructor above. */
const observations = new WeakMap<NativeProvider, Observation>();

/** @internal */
export function observe(native: NativeProvider, listener: Listener): void {
  const observation = new Observation(native, listener);
  observations.get(native)?.stop();
  observations.set(native, observation);
}

/** @internal */
export function stopObserving(native: NativeProvider): void {
  observations.get(native)?.stop();
  observations.delete(native);
  native.stopObserving();
}

function eventFrom(native: NativeEvent): ProviderEvent {
  const { level, kind, atMs, failure, ...same } = native;
  return {
    level: level as EventLevel,
    kind: kind as EventKind,
    ...same,
    at: new Date(atMs),
    ...(failure && { error: errorFrom(failure) }),
  };
}

function defectEvent(thrown: unknown): ProviderEvent {
  const error = defect(thrown);
  const { message } = error;
  return { level: 'error', kind: 'worker_failed', message, at: new Date(), error };
}
