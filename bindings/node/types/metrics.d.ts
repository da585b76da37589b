/**
 * A provider's health as metrics, for OpenTelemetry and for Prometheus.
 *
 * ```js
 * observe(provider, metrics.getMeter('svidex')); // of @opentelemetry/api
 * response.end(exposition(provider)); // Prometheus's text format
 * ```
 *
 * A program with several providers gives all of them in one call, as an array: metrics of
 * one name have one source. They are told apart by the attribute `audience`. Those of one
 * audience are shown as one: their counts are added, and of the rest it is the worst.
 *
 * Everything comes from `provider.status()`, which never blocks, when it is asked for.
 *
 * @packageDocumentation
 */
import type { Provider } from './provider';
import type { Status } from './status';
/** One value of a metric. */
export interface Sample {
    readonly labels: Readonly<Record<string, string>>;
    readonly value: number;
}
/** One metric, by its OpenTelemetry name; Prometheus has `_` for `.`. */
export interface Metric {
    readonly name: string;
    readonly unit: string;
    readonly description: string;
    readonly isCounter: boolean;
    read(status: Status): Sample[];
    /** Of several providers of one audience: a series must not come twice. */
    together(one: number, other: number): number;
}
/** What is used of a `Meter` of `@opentelemetry/api`. */
export interface Meter {
    createObservableCounter(name: string, options: object): Observable;
    createObservableGauge(name: string, options: object): Observable;
}
/** An instrument of it. */
export interface Observable {
    addCallback(callback: (result: any) => void): void;
}
/** All of them. */
export declare const METRICS: readonly Metric[];
/** One provider or several. */
export type Observed = Pick<Provider, 'status'> | readonly Pick<Provider, 'status'>[];
/** Registers the metrics with an OpenTelemetry `Meter`. */
export declare function observe(provider: Observed, meter: Meter): void;
/** The metrics in Prometheus's text format, for the answer to a scrape. */
export declare function exposition(provider: Observed): string;
