import assert from 'node:assert/strict';
import { SvidexError } from 'svidex';

/** Rejects, or throws, with a `SvidexError` of this code; returns the error. */
export async function failsWith(code, action, message = /./) {
  let error;
  try {
    await (typeof action === 'function' ? action() : action);
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error instanceof SvidexError, `wanted a SvidexError, got ${error}`);
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return error;
}

/** The claims of a JWT, unverified: the emulator's token endpoint verifies. */
export function claims(jwt) {
  return JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url').toString());
}

/** Every form in which a token could show. */
export function assertNoToken(text, ...tokens) {
  for (const token of tokens) {
    for (const part of token.split('.')) {
      // A run of 12 characters of a token is no accident.
      for (let at = 0; at + 12 <= part.length; at += 12) {
        assert.ok(!text.includes(part.slice(at, at + 12)), `token text in: ${text.slice(0, 200)}`);
      }
    }
  }
}
