/** Observes; each call of what is returned resolves to the next event. */
export function recordEvents(provider) {
  const events = [];
  const waiting = [];
  provider.observe((event) => {
    const resolve = waiting.shift();
    if (resolve) resolve(event);
    else events.push(event);
  });
  return () =>
    events.length > 0 ? Promise.resolve(events.shift()) : new Promise((next) => waiting.push(next));
}

const nothing = new Int32Array(new SharedArrayBuffer(4));

/** Waits for what native threads do, without a turn of the event loop. */
export function waitHere(condition) {
  const guard = performance.now() + 60_000;
  while (!condition()) {
    if (performance.now() > guard) throw new Error('waited for a minute');
    Atomics.wait(nothing, 0, 0, 1);
  }
}

/**
 * Calls, and resolves when an attempt of the provider has failed. After that, a call whose
 * deadline passes tells why, and not only that it passed.
 */
export function firstFailure(provider, call) {
  const failure = new Promise((resolve) => {
    provider.observe(({ error }) => {
      if (error) resolve();
    });
  });
  call().catch(() => {});
  return failure;
}
