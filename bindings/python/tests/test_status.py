"""What an operator sees."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import TYPE_CHECKING

import pytest

import svidex

if TYPE_CHECKING:
    from conftest import MakeProvider
    from emulator import OwnEmulator


def test_before_anything_was_asked_for(
    provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    status = provider.status()
    assert status.source == f"workload_api {emulator.info['endpoint_socket']}"
    assert status.audience == emulator.info["audience"]
    assert (status.spiffe_id, status.subject_token, status.access_token) == (None, None, None)
    assert (status.fetches, status.exchanges, status.last_error) == (0, 0, None)
    assert not status.closed


def test_with_both_tokens(provider: svidex.Provider, emulator: OwnEmulator) -> None:
    provider.access_token()
    status = provider.status()
    assert status.spiffe_id == emulator.info["spiffe_ids"][0]
    for token in (status.subject_token, status.access_token):
        assert token is not None
        assert 0 < token.expires_in_seconds <= 300
        assert 0 <= token.age_seconds < 60
        ends_in = token.expires_at_unix_ms / 1000 - time.time()
        assert ends_in == pytest.approx(token.expires_in_seconds, abs=2)
    assert (status.fetches, status.fetch_failures) == (1, 0)
    assert (status.exchanges, status.exchange_failures) == (1, 0)
    # Two identities, none selected.
    assert any(emulator.info["spiffe_ids"][1] in warning for warning in status.warnings)


def test_after_a_failure(provider: svidex.Provider, emulator: OwnEmulator) -> None:
    emulator.fault("token_endpoint", status=401, oauth_error="invalid_client")
    with pytest.raises(svidex.ExchangeRejectedError) as raised:
        provider.access_token()
    status = provider.status()
    error = status.last_error
    assert error is not None
    assert (error.kind, error.message) == ("exchange_rejected", str(raised.value))
    assert (error.http_status, error.oauth_code) == (401, "invalid_client")
    assert error.at_unix_ms / 1000 == pytest.approx(time.time(), abs=60)
    assert status.exchange_failures >= 1


def test_it_is_plain_data(provider: svidex.Provider) -> None:
    provider.access_token()
    assert json.dumps(dataclasses.asdict(provider.status()))


def test_an_api_key_in_the_environment_is_a_warning(
    make_provider: MakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    [warning] = make_provider().status().warnings
    assert "OPENAI_API_KEY" in warning
    assert "canary" not in warning


def test_repr_says_what_it_is(provider: svidex.Provider, emulator: OwnEmulator) -> None:
    assert emulator.info["endpoint_socket"] in repr(provider)
    assert "no SVID yet" in repr(provider)
    provider.get_token()
    assert emulator.info["spiffe_ids"][0] in repr(provider)
    provider.close()
    assert "closed" in repr(provider)
