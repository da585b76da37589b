"""An environment to run in: the one we are given, else an emulator of our own.

`svidex-emulator run -- pytest` and `tests/spire/spire.py run -- pytest` describe
theirs in SVIDEX_EMULATOR_INFO: the same tests run against real SPIRE.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import svidex

from emulator import VARIABLES, Emulator, OwnEmulator, from_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from svidex import Options
    from typing_extensions import Unpack

    MakeProvider = Callable[..., svidex.Provider]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    if "SVIDEX_EMULATOR_INFO" in os.environ:
        yield from_environment()
    else:
        with OwnEmulator(tmp_path_factory.mktemp("emulator")) as emulator:
            yield emulator


@pytest.fixture(autouse=True)
def _environment(world: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an operator sets, and a proxy that answers as auth and api.openai.com.

    The SDK is the published one, unpatched, with every URL at its default.
    """
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("SPIFFE_ENDPOINT_SOCKET", world.info["endpoint_socket"])
    monkeypatch.setenv("SVIDEX_SPIFFE_ID", world.info["spiffe_ids"][0])
    monkeypatch.setenv("OPENAI_IDENTITY_PROVIDER_ID", world.info["identity_provider_id"])
    monkeypatch.setenv("OPENAI_SERVICE_ACCOUNT_ID", world.info["service_account_id"])
    monkeypatch.setenv("HTTPS_PROXY", world.info["https_proxy"])
    monkeypatch.setenv("SSL_CERT_FILE", world.info["ca_file"])


@pytest.fixture
def make_provider() -> Iterator[MakeProvider]:
    """Providers from the environment, closed when the test ends."""
    with ExitStack() as stack:

        def make(**overrides: Unpack[Options]) -> svidex.Provider:
            return stack.enter_context(svidex.Provider.from_env(**overrides))

        yield make


@pytest.fixture
def provider(make_provider: MakeProvider) -> svidex.Provider:
    return make_provider()
