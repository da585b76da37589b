import { SvidexError } from './errors';

/** @internal What was given as options, which JavaScript leaves open: an object, or nothing. */
export function optionsGiven<T extends object>(options: T | undefined, name = 'options'): T {
  if (options === undefined) return {} as T;
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalid(`${name} must be an object, not ${described(options)}`);
  }
  return options;
}

/** @internal The kind of a value. Never the value: it may be a secret in the wrong place. */
export function described(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;
}

/** @internal */
export function invalid(message: string): SvidexError {
  return new SvidexError('invalid_config', message);
}
