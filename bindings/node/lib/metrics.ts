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
  // biome-ignore lint/suspicious/noExplicitAny: the API's own type
  addCallback(callback: (result: any) => void): void;
}

const counts = (ended: number, failed: number): Sample[] => [
  { labels: { outcome: 'success' }, value: ended - failed },
  { labels: { outcome: 'failure' }, value: failed },
];

const sum = (one: number, other: number) => one + other;

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
    together: sum,
  },
  {
    name: 'svidex.access_token.exchanges',
    unit: '{exchange}',
    description: 'Attempts to exchange that have ended.',
    isCounter: true,
    read: (status) => counts(status.exchanges, status.exchangeFailures),
    together: sum,
  },
  {
    name: 'svidex.token.remaining',
    unit: 's',
    description: 'What is left of the life of a token that is held.',
    isCounter: false,
    read: (status) => tokens(status, (token) => token?.expiresInSeconds),
    together: Math.min,
  },
  {
    name: 'svidex.token.age',
    unit: 's',
    description: 'How long a token has been held.',
    isCounter: false,
    read: (status) => tokens(status, (token) => token?.ageSeconds),
    together: Math.max,
  },
  {
    name: 'svidex.token.held',
    unit: '{token}',
    description: '1 while an unexpired token is held, else 0.',
    isCounter: false,
    read: (status) => tokens(status, (token) => Number(token !== null)),
    together: Math.min,
  },
];

/** One provider or several. */
export type Observed = Pick<Provider, 'status'> | readonly Pick<Provider, 'status'>[];

const statuses = (observed: Observed): Status[] =>
  [observed].flat().map((provider) => provider.status());

function samples({ read, together }: Metric, all: readonly Status[]): Sample[] {
  const found = new Map<string, Sample>();
  for (const status of all) {
    for (const sample of read(status)) {
      const labels = { ...sample.labels, audience: status.audience };
      const series = JSON.stringify(labels);
      const same = found.get(series);
      const value = same ? together(same.value, sample.value) : sample.value;
      found.set(series, { labels, value });
    }
  }
  return [...found.values()];
}

/** Registers the metrics with an OpenTelemetry `Meter`. */
export function observe(provider: Observed, meter: Meter): void {
  for (const metric of METRICS) {
    const { name, unit, description, isCounter } = metric;
    const create = isCounter ? 'createObservableCounter' : 'createObservableGauge';
    meter[create](name, { unit, description }).addCallback((result) => {
      for (const { labels, value } of samples(metric, statuses(provider))) {
        result.observe(value, labels);
      }
    });
  }
}

/** The metrics in Prometheus's text format, for the answer to a scrape. */
export function exposition(provider: Observed): string {
  const all = statuses(provider);
  const quoted = (text: string) => JSON.stringify(text);
  return METRICS.map((metric) => {
    const { name, unit, description, isCounter } = metric;
    const suffix = `${unit === 's' ? '_seconds' : ''}${isCounter ? '_total' : ''}`;
    const family = name.replaceAll('.', '_') + suffix;
    const lines = samples(metric, all).map(({ labels, value }) => {
      const text = Object.entries(labels).map(([label, of]) => `${label}=${quoted(of)}`);
      return `${family}{${text}} ${value}\n`;
    });
    const kind = isCounter ? 'counter' : 'gauge';
    return `# HELP ${family} ${description}\n# TYPE ${family} ${kind}\n${lines.join('')}`;
  }).join('');
}
