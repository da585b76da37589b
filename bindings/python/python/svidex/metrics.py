"""A provider's health as metrics, for OpenTelemetry and for Prometheus.

    svidex.metrics.observe(provider, opentelemetry.metrics.get_meter("svidex"))

    prometheus_client.REGISTRY.register(svidex.metrics.Collector(provider))

A program with several providers names all of them in one call, as a list: metrics of
one name have one source. They are told apart by the attribute `audience`. Those of one
audience are shown as one: their counts are added, and of the rest it is the worst.

Everything comes from `Provider.status()`, which never blocks, at the moment when it
is asked for. Neither library is imported by this module before it is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._status import Status
    from ._svidex import Provider

__all__ = ["METRICS", "Collector", "Metric", "observe"]


class Metric(NamedTuple):
    """One of them, by its OpenTelemetry name; Prometheus has `_` for `.`."""

    name: str
    unit: str
    description: str
    is_counter: bool
    read: Callable[[Status], Iterable[tuple[dict[str, str], float]]]
    together: Callable[[Iterable[float]], float]
    """Of several providers of one audience: a series must not come twice."""


def _counts(ended: int, failed: int) -> Iterator[tuple[dict[str, str], float]]:
    yield {"outcome": "success"}, ended - failed
    yield {"outcome": "failure"}, failed


def _of_tokens(status: Status, field: str) -> Iterator[tuple[dict[str, str], float]]:
    for kind, token in (("subject", status.subject_token), ("access", status.access_token)):
        if token is not None:
            yield {"token": kind}, getattr(token, field)


METRICS = (
    Metric(
        "svidex.subject_token.fetches",
        "{fetch}",
        "Attempts to get a JWT-SVID that have ended.",
        True,
        lambda status: _counts(status.fetches, status.fetch_failures),
        sum,
    ),
    Metric(
        "svidex.access_token.exchanges",
        "{exchange}",
        "Attempts to exchange that have ended.",
        True,
        lambda status: _counts(status.exchanges, status.exchange_failures),
        sum,
    ),
    Metric(
        "svidex.token.remaining",
        "s",
        "What is left of the life of a token that is held.",
        False,
        lambda status: _of_tokens(status, "expires_in_seconds"),
        min,
    ),
    Metric(
        "svidex.token.age",
        "s",
        "How long a token has been held.",
        False,
        lambda status: _of_tokens(status, "age_seconds"),
        max,
    ),
    Metric(
        "svidex.token.held",
        "{token}",
        "1 while an unexpired token is held, else 0.",
        False,
        lambda status: [
            ({"token": "subject"}, float(status.subject_token is not None)),
            ({"token": "access"}, float(status.access_token is not None)),
        ],
        min,
    ),
)


def observe(provider: Provider | Iterable[Provider], meter: Any) -> None:
    """Registers the metrics with an OpenTelemetry `Meter`."""
    from opentelemetry.metrics import Observation

    providers = _each(provider)
    for metric in METRICS:

        def callback(_options: Any, metric: Metric = metric) -> list[Any]:
            statuses = [provider.status() for provider in providers]
            return [Observation(value, labels) for labels, value in _samples(metric, statuses)]

        create = (
            meter.create_observable_counter
            if metric.is_counter
            else meter.create_observable_gauge
        )
        create(metric.name, [callback], unit=metric.unit, description=metric.description)


class Collector:
    """For a registry of `prometheus_client`."""

    def __init__(self, provider: Provider | Iterable[Provider]) -> None:
        self._providers = _each(provider)

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        statuses = [provider.status() for provider in self._providers]
        for metric in METRICS:
            name = metric.name.replace(".", "_") + ("_seconds" if metric.unit == "s" else "")
            kind = CounterMetricFamily if metric.is_counter else GaugeMetricFamily
            family = None
            for labels, value in _samples(metric, statuses):
                family = family or kind(name, metric.description, labels=list(labels))
                family.add_metric(list(labels.values()), value)
            if family is not None:
                yield family


def _each(provider: Provider | Iterable[Provider]) -> tuple[Provider, ...]:
    return tuple(provider) if isinstance(provider, Iterable) else (provider,)


def _samples(
    metric: Metric, statuses: Iterable[Status]
) -> Iterator[tuple[dict[str, str], float]]:
    found: dict[tuple[tuple[str, str], ...], list[float]] = {}
    for status in statuses:
        for attributes, value in metric.read(status):
            labels = {**attributes, "audience": status.audience}
            found.setdefault(tuple(labels.items()), []).append(value)
    for series, values in found.items():
        yield dict(series), metric.together(values)
