/**
 * JWT-SVIDs and OpenAI access tokens for workloads that hold a SPIFFE identity.
 *
 * @packageDocumentation
 */
export { type Check, doctor, type Outcome, type Report } from './doctor';
export { type ErrorCode, type ErrorDetails, SvidexError } from './errors';
export type { EventKind, EventLevel, ProviderEvent } from './events';
export type { FetchOptions } from './fetch';
export type { OpenAIClass, OpenAIOptions } from './openai';
export type { CallOptions, DoctorOptions, ExaminationOptions, ProviderOptions, } from './options';
export { Provider, type WorkloadIdentity } from './provider';
export type { SocketOptions, WithHandshake } from './sockets';
export type { LastError, Status, TokenStatus } from './status';
export type { TokenDetails, TokenProvider } from './tokens';
/** Version of svidex. */
export declare const version: string;
