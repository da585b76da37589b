"""Tokens on the caller's thread: cold, warm, many at once."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import svidex

if TYPE_CHECKING:
    from conftest import MakeProvider
    from emulator import OwnEmulator


def claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    )
    return decoded


def test_a_cold_call_fetches_and_a_warm_one_does_not(
    provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    token = provider.get_token()
    assert type(token) is str
    assert claims(token)["sub"] == emulator.info["spiffe_ids"][0]
    assert claims(token)["aud"] == [emulator.info["audience"]]
    # The very same string: a warm read copies nothing.
    assert provider.get_token() is token
    assert emulator.counters()["fetch_jwt_svid"] == 1


def test_an_access_token_is_exchanged_once(
    provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    token = provider.access_token()
    assert isinstance(token, str)
    assert provider.access_token() is token
    assert token != provider.get_token()
    counters = emulator.counters()
    assert (counters["fetch_jwt_svid"], counters["exchanges_ok"]) == (1, 1)


def test_nobody_who_only_wants_the_svid_exchanges(
    make_provider: MakeProvider, emulator: OwnEmulator
) -> None:
    provider = make_provider(identity_provider_id=None, service_account_id=None)
    provider.get_token()
    assert emulator.counters()["exchanges"] == 0
    with pytest.raises(svidex.InvalidConfigError, match="identity_provider_id"):
        provider.access_token()


def test_an_identity_is_chosen_by_id_or_hint(
    make_provider: MakeProvider, emulator: OwnEmulator
) -> None:
    second = emulator.info["spiffe_ids"][1]
    by_id = make_provider(spiffe_id=second)
    by_hint = make_provider(hint=emulator.info["hints"][1])
    assert claims(by_id.get_token())["sub"] == second
    assert claims(by_hint.get_token())["sub"] == second


def test_over_tcp(make_provider: MakeProvider, emulator: OwnEmulator) -> None:
    assert make_provider(endpoint_socket=emulator.info["endpoint_socket_tcp"]).get_token()


def test_a_token_file_by_path_object(emulator: OwnEmulator, tmp_path: Path) -> None:
    token = Path(emulator.info["token_file"]).read_text()
    path = tmp_path / "token"
    path.write_text(f"\n{token}\n")
    with svidex.Provider(identity_token_file=path) as provider:
        assert provider.get_token() == token


def test_an_access_token_from_a_file_needs_nothing_else(
    emulator: OwnEmulator, tmp_path: Path
) -> None:
    path = tmp_path / "access"
    path.write_text("opaque")
    os.utime(path, (0, time.time() + 600))
    with svidex.Provider(access_token_file=path) as provider:
        assert provider.access_token() == "opaque"
        assert provider.status().source == f"access_token_file {path}"
        with pytest.raises(svidex.InvalidConfigError, match="endpoint_socket"):
            provider.get_token()
    os.utime(path, (0, time.time() - 1))
    with (
        svidex.Provider(access_token_file=path, call_timeout_seconds=5) as provider,
        pytest.raises(svidex.SourceUnavailableError, match="svidex bridge") as raised,
    ):
        provider.access_token()
    assert str(path) in str(raised.value)
    assert "opaque" not in str(raised.value)
    assert emulator.counters()["exchanges"] == 0


def test_invalidate_drops_that_token_alone(
    provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    emulator.settings(svid_repeat=False)
    subject, access = provider.get_token(), provider.access_token()
    provider.invalidate("neither-of-the-two")
    assert provider.get_token() is subject
    provider.invalidate(subject)
    assert provider.get_token() != subject
    assert provider.access_token() is access
    provider.invalidate(access)
    assert provider.access_token() != access


def test_a_timeout_of_zero_starts_a_fetch_and_does_not_wait(
    provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    emulator.hold("workload_api")
    with pytest.raises(svidex.TimeoutError):
        provider.get_token(timeout=0)
    emulator.wait_until_held("workload_api")
    emulator.release("workload_api")
    assert provider.get_token()
    assert emulator.counters()["fetch_jwt_svid"] == 1


def test_a_call_ends_at_its_own_deadline(
    provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    emulator.fault("workload_api", hang=True)
    with pytest.raises(TimeoutError) as raised:
        provider.get_token(timeout=0.05)
    assert type(raised.value) is svidex.TimeoutError
    assert emulator.info["endpoint_socket"] in str(raised.value)


def test_closing_ends_a_call_that_is_pending(
    provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    emulator.hold("workload_api")
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(provider.access_token)
        emulator.wait_until_held("workload_api")
        provider.close()
        with pytest.raises(svidex.ClosedError):
            pending.result(timeout=10)
    with pytest.raises(svidex.ClosedError):
        provider.get_token()
    provider.close()
    assert provider.status().closed


def test_with_closes(emulator: OwnEmulator) -> None:
    with svidex.Provider(**emulator.options) as provider:
        assert provider.get_token()
    with pytest.raises(svidex.ClosedError):
        provider.get_token()
    with pytest.raises(svidex.ClosedError):
        provider.access_token()


def test_a_thousand_cold_threads_make_one_fetch_and_one_exchange(
    provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    callers = 1000
    emulator.hold("workload_api")
    about_to_call = threading.Barrier(callers + 1)
    tokens: list[str] = []

    def call() -> None:
        about_to_call.wait()
        tokens.append(provider.access_token())

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    about_to_call.wait()
    emulator.wait_until_held("workload_api")
    emulator.release("workload_api")
    for thread in threads:
        thread.join()
    assert len(tokens) == callers
    assert len(set(tokens)) == 1
    counters = emulator.counters()
    assert (counters["fetch_jwt_svid"], counters["exchanges"]) == (1, 1)


def test_the_gil_is_released_while_waiting(
    provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    emulator.hold("workload_api")
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(provider.get_token)
        # Were the GIL held over there, nothing here would run any more.
        emulator.wait_until_held("workload_api")
        assert not pending.done()
        emulator.release("workload_api")
        assert pending.result(timeout=10)
