/**
 * JWT-SVIDs and OpenAI access tokens for workloads that hold a SPIFFE identity.
 *
 * @packageDocumentation
 */

export { type ErrorCode, type ErrorDetails, SvidexError } from './errors';
export type { EventKind, EventLevel, ProviderEvent } from './events';
export type { CallOptions, ProviderOptions } from './options';
export { Provider, type WorkloadIdentity } from './provider';
export type { LastError, Status, TokenStatus } from './status';

/** Version of svidex. */
export const version: string = require('../package.json').version;
