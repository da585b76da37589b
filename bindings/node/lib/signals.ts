const actions = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * @internal Runs `action` when `signal` is aborted; returns what takes it back.
 *
 * However many calls hang on one signal (a server's shutdown, say), it gets one
 * listener: at eleven, Node warns of a leak.
 */
export function onAbort(signal: AbortSignal, action: () => void): () => void {
  const known = actions.get(signal);
  const all = known ?? new Set();
  if (known === undefined) {
    actions.set(signal, all);
    signal.addEventListener('abort', abortAll);
  }
  all.add(action);
  return () => {
    all.delete(action);
    if (all.size > 0 || actions.get(signal) !== all) return;
    actions.delete(signal);
    signal.removeEventListener('abort', abortAll);
  };
}

function abortAll(this: AbortSignal): void {
  for (const action of actions.get(this) ?? []) action();
}
