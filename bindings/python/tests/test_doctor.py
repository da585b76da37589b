"""The doctor, for whoever writes Python."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

import svidex

if TYPE_CHECKING:
    from pathlib import Path

    from emulator import OwnEmulator

# Of whatever ends at once: ten times what it takes.
_GUARD_SECONDS = 10


def test_of_a_sound_provider(provider: svidex.Provider) -> None:
    report = provider.doctor()
    assert report.healthy, str(report)
    assert report.svidex == svidex.__version__
    assert time.time() * 1000 - report.at_unix_ms < 60_000
    exchange = report.check("exchange")
    assert exchange is not None
    assert exchange.outcome == "ok"
    assert "an access token" in exchange.seen
    assert report.check("nonsense") is None
    assert str(report).endswith("skipped 0)")
    assert "eyJ" not in str(report) + repr(report)
    assert dataclasses.asdict(report)["checks"][0]["id"] == "configuration"
    # It looks for itself.
    assert provider.status().exchanges == 0


def test_of_the_environment_and_a_file(emulator: OwnEmulator, tmp_path: Path) -> None:
    jwks = tmp_path / "jwks.json"
    jwks.write_text('{"keys": [{"kty": "EC", "kid": "a", "d": "AA"}]}')
    report = svidex.doctor(jwks_file=jwks, **emulator.options)
    assert not report.healthy
    [failed] = [check for check in report.checks if check.outcome == "failed"]
    assert failed.id == "uploaded_jwks"
    assert "HOLDS A PRIVATE KEY" in failed.seen
    assert any("replace the key" in advice for advice in failed.advice)


def test_a_look_at_the_platform(emulator: OwnEmulator) -> None:
    report = svidex.doctor(admin_key_env="SVIDEX_NO_SUCH_KEY", **emulator.options)
    provider = report.check("identity_provider")
    assert provider is not None
    assert provider.outcome == "warning"
    assert "SVIDEX_NO_SUCH_KEY is not set" in provider.seen
    assert report.healthy


def test_bad_settings_are_findings() -> None:
    report = svidex.doctor(endpoint_socket="nowhere")
    configuration = report.check("configuration")
    assert configuration is not None
    assert configuration.outcome == "failed"
    assert "endpoint_socket" in configuration.seen


def test_arguments_of_a_wrong_type(provider: svidex.Provider) -> None:
    with pytest.raises(TypeError, match="jwks_file must be a str"):
        provider.doctor(jwks_file=7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="doctor\\(\\) got an unexpected keyword"):
        svidex.doctor(nonsense=1)  # type: ignore[call-arg]


def test_in_an_event_loop(provider: svidex.Provider, emulator: OwnEmulator) -> None:
    async def examine() -> tuple[svidex.Report, svidex.Report]:
        return await asyncio.gather(
            provider.doctor_async(), svidex.doctor_async(**emulator.options)
        )

    for report in asyncio.run(examine()):
        assert report.healthy, str(report)


def test_a_cancelled_task_ends_the_examination(
    provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    emulator.hold("workload_api")

    async def examine() -> None:
        await asyncio.wait_for(provider.doctor_async(), 0.1)

    began = time.monotonic()
    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(examine())
    assert time.monotonic() - began < _GUARD_SECONDS
    emulator.release("workload_api")


def test_ctrl_c_ends_it(provider: svidex.Provider, emulator: OwnEmulator) -> None:
    emulator.hold("workload_api")
    # Whoever runs the tests may have it ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt() -> None:
        emulator.wait_until_held("workload_api")
        signal.raise_signal(signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        provider.doctor()
    assert time.monotonic() - began < _GUARD_SECONDS
    interrupting.join()
    signal.signal(signal.SIGINT, before)
    emulator.release("workload_api")
