"""Counters and ages, as OpenTelemetry and Prometheus read them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import svidex.metrics

if TYPE_CHECKING:
    from conftest import MakeProvider

VECTORS = json.loads((Path(__file__).parents[3] / "tests/vectors/metrics.json").read_text())

# Name, labels other than the audience.
EXPECTED = {
    ("svidex_subject_token_fetches", "success"),
    ("svidex_subject_token_fetches", "failure"),
    ("svidex_access_token_exchanges", "success"),
    ("svidex_access_token_exchanges", "failure"),
    ("svidex_token_remaining", "subject"),
    ("svidex_token_remaining", "access"),
    ("svidex_token_age", "subject"),
    ("svidex_token_age", "access"),
    ("svidex_token_held", "subject"),
    ("svidex_token_held", "access"),
}


def test_prometheus(provider: svidex.Provider) -> None:
    client = pytest.importorskip("prometheus_client")
    registry = client.CollectorRegistry()
    registry.register(svidex.metrics.Collector(provider))
    provider.access_token()
    text = client.generate_latest(registry).decode()
    labels = '{audience="https://api.openai.com/v1",outcome="success"}'
    assert f"svidex_access_token_exchanges_total{labels} 1.0\n" in text
    assert "svidex_token_remaining_seconds{" in text
    assert "access-token" not in text


def test_several_providers_are_one_source(make_provider: MakeProvider) -> None:
    """A registry takes a name once, as the process's own does, and so does a meter."""
    client = pytest.importorskip("prometheus_client")
    audiences = ["https://one.example", "https://two.example"]
    providers = [make_provider(audience=audience) for audience in audiences]
    registry = client.CollectorRegistry(auto_describe=True)
    registry.register(svidex.metrics.Collector(providers))
    text = client.generate_latest(registry).decode()
    for audience in audiences:
        assert f'svidex_token_held{{audience="{audience}",token="access"}} 0.0\n' in text
    assert text.count("# TYPE svidex_token_held gauge") == 1

    pytest.importorskip("opentelemetry.metrics")
    meter = Meter()
    svidex.metrics.observe(providers, meter)
    held = meter.callbacks["svidex.token.held"](None)
    assert [one.attributes["audience"] for one in held] == sorted(audiences * 2)


def test_providers_of_one_audience_are_one_series(make_provider: MakeProvider) -> None:
    """Prometheus drops a series that comes twice, and OpenTelemetry has the last one win."""
    client = pytest.importorskip("prometheus_client")
    providers = [make_provider(), make_provider(), make_provider(audience="https://a.example")]
    for provider in providers[:2]:
        provider.get_token()
    providers[0].access_token()
    registry = client.CollectorRegistry()
    registry.register(svidex.metrics.Collector(providers))
    lines = client.generate_latest(registry).decode().splitlines()
    series = [line.partition("} ")[0] for line in lines if not line.startswith("#")]
    assert sorted(set(series)) == sorted(series)
    audience = 'audience="https://api.openai.com/v1"'
    # Counts are added.
    assert f'svidex_subject_token_fetches_total{{{audience},outcome="success"}} 2.0' in lines
    assert f'svidex_access_token_exchanges_total{{{audience},outcome="success"}} 1.0' in lines
    # And who looks for trouble sees the one that has it.
    assert f'svidex_token_held{{{audience},token="subject"}} 1.0' in lines
    assert f'svidex_token_held{{{audience},token="access"}} 0.0' in lines

    pytest.importorskip("opentelemetry.metrics")
    meter = Meter()
    svidex.metrics.observe(providers, meter)
    for callback in meter.callbacks.values():
        attributes = [str(sorted(one.attributes.items())) for one in callback(None)]
        assert len(set(attributes)) == len(attributes)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_vector(vector: dict[str, Any]) -> None:
    statuses: Any = [
        SimpleNamespace(
            **given
            | {
                name: given[name] and SimpleNamespace(**given[name])
                for name in ("subject_token", "access_token")
            },
            audience="https://api.openai.com/v1",
        )
        for given in vector["given"]
    ]
    seen = [
        {"name": metric.name, "labels": labels, "value": value}
        for metric in svidex.metrics.METRICS
        for labels, value in svidex.metrics._samples(metric, statuses)
    ]
    for expected in vector["expected"]:
        expected["labels"]["audience"] = "https://api.openai.com/v1"
    assert seen == vector["expected"]


class Meter:
    """What `observe` asks of OpenTelemetry's."""

    def __init__(self) -> None:
        self.callbacks: dict[str, Any] = {}

    def create_observable_counter(self, name: str, callbacks: Any, **_: str) -> None:
        [self.callbacks[name]] = callbacks

    create_observable_gauge = create_observable_counter


def test_opentelemetry(provider: svidex.Provider) -> None:
    pytest.importorskip("opentelemetry.metrics")
    meter = Meter()
    svidex.metrics.observe(provider, meter)
    provider.access_token()
    found = {
        (
            name.replace(".", "_"),
            observation.attributes.get("outcome") or observation.attributes["token"],
        )
        for name, callback in meter.callbacks.items()
        for observation in callback(None)
    }
    assert found == EXPECTED
    [exchanges, failures] = meter.callbacks["svidex.access_token.exchanges"](None)
    assert (exchanges.value, failures.value) == (1, 0)
