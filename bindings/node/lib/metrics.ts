/**
 * A provider's health as metrics, for OpenTelemetry and for Prometheus.
 *
 * ```js
 * observe(provider, metrics.getMeter('svidex')); // of @opentelemetry/api
 * response.end(exposition(provider)); // Prometheus's text format
 * ```
 *
 * A program with several providers gives all of them in one call, as an array: metrics of
 * one name have one source. They are told apart by the attribute `audience`.
 *
 * Everything comes from `provider.status()`, which never blocks, when it is asked for.
 *
 * @packageDocumentation
 */

import type { Provider } from './provider';
import type { Status, TokenStatus } from './status';

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
}

/** What is used of a `Meter` of `@opentelemetry/api`. */
export interface Meter {
  createObservableCounter(name: string, options: object): Observable;
  createObservableGauge(name: string, options: object): Observable;
}

/** An instrument of it. */
export interface Observable {
  // biome-ignore lint/suspicious/noExplicitAny: the API's own type
  addCallback(callback: (result: any) => void): void;
}

const counts = (ended: number, failed: number): Sample[] => [
  { labels: { outcome: 'success' }, value: ended - failed },
  { labels: { outcome: 'failure' }, value: failed },
];

const tokens = (status: Status, value: (token: TokenStatus | null) => number | undefined) =>
  (['subject', 'access'] as const).flatMap((token) => {
    const read = value(token === 'subject' ? status.subjectToken : status.accessToken);
    return read === undefined ? [] : [{ labels: { token }, value: read }];
  });

/** All of them. */
export const METRICS: readonly Metric[] = [
  {
    name: 'svidex.subject_token.fetches',
    unit: '{fetch}',
    description: 'Attempts to get a JWT-SVID that have ended.',
    isCounter: true,
    read: (status) => counts(status.fetches, status.fetchFailures),
  },
  {
    name: 'svidex.access_token.exchanges',
    unit: '{exchange}',
    description: 'Attempts to exchange that have ended.',
    isCounter: true,
    read: (status) => counts(status.exchanges, status.exchangeFailures),
  },
  {
    name: 'svidex.token.remaining',
    unit: 's',
    description: 'What is left of the life of a token that is held.',
    isCounter: false,
    read: (status) => tokens(status, (token) => token?.expiresInSeconds),
  },
  {
    name: 'svidex.token.age',
    unit: 's',
    description: 'How long a token has been held.',
    isCounter: false,
    read: (status) => tokens(status, (token) => token?.ageSeconds),
  },
  {
    name: 'svidex.token.held',
    unit: '{token}',
    description: '1 while an unexpired token is held, else 0.',
    isCounter: false,
    read: (status) => tokens(status, (token) => Number(token !== null)),
  },
];

/** One provider or several. */
export type Observed = Pick<Provider, 'status'> | readonly Pick<Provider, 'status'>[];

const statuses = (observed: Observed): Status[] =>
  [observed].flat().map((provider) => provider.status());

const samples = (read: Metric['read'], all: readonly Status[]): Sample[] =>
  all.flatMap((status) =>
    read(status).map(({ labels, value }) => {
      return { labels: { ...labels, audience: status.audience }, value };
    }),
  );

/** Registers the metrics with an OpenTelemetry `Meter`. */
export function observe(provider: Observed, meter: Meter): void {
  for (const { name, unit, description, isCounter, read } of METRICS) {
    const create = isCounter ? 'createObservableCounter' : 'createObservableGauge';
    meter[create](name, { unit, description }).addCallback((result) => {
      for (const { labels, value } of samples(read, statuses(provider))) {
        result.observe(value, labels);
      }
    });
  }
}

/** The metrics in Prometheus's text format, for the answer to a scrape. */
export function exposition(provider: Observed): string {
  const all = statuses(provider);
  const quoted = (text: string) => JSON.stringify(text);
  return METRICS.map(({ name, unit, description, isCounter, read }) => {
    const suffix = `${unit === 's' ? '_seconds' : ''}${isCounter ? '_total' : ''}`;
    const family = name.replaceAll('.', '_') + suffix;
    const lines = samples(read, all).map(({ labels, value }) => {
      const text = Object.entries(labels).map(([label, of]) => `${label}=${quoted(of)}`);
      return `${family}{${text}} ${value}\n`;
    });
    const kind = isCounter ? 'counter' : 'gauge';
    return `# HELP ${family} ${description}\n# TYPE ${family} ${kind}\n${lines.join('')}`;
  }).join('');
}
