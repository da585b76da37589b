"""Fixtures: an emulator for each test, and providers that use it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

import svidex
from emulator import VARIABLES, OwnEmulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from typing_extensions import Unpack

    from svidex import Options

    MakeProvider = Callable[..., svidex.Provider]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[OwnEmulator]:
    with OwnEmulator(tmp_path / "emulator") as running:
        yield running


@pytest.fixture
def make_provider(emulator: OwnEmulator) -> Iterator[MakeProvider]:
    """Providers of the emulator's SVIDs, closed when the test ends."""
    with ExitStack() as stack:

        def make(**options: Unpack[Options]) -> svidex.Provider:
            chosen = emulator.options
            chosen.update(options)
            return stack.enter_context(svidex.Provider(**chosen))

        yield make


@pytest.fixture
def provider(make_provider: MakeProvider) -> svidex.Provider:
    return make_provider()
