"""Realtime and Responses sockets: the right header on connect and on reconnect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
import svidex
import svidex.openai

from clients import MODEL

pytest.importorskip("websockets")

if TYPE_CHECKING:
    from emulator import Emulator

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

KINDS = ("realtime", "responses")
every_kind = pytest.mark.parametrize("kind", KINDS)
LAST = {"realtime": "response.done", "responses": "response.completed"}


def connect(client: Any, kind: str, **options: Any) -> Any:
    if kind == "realtime":
        return client.realtime.connect(model="gpt-realtime", **options)
    return client.responses.connect(**options)


def question(kind: str) -> Any:
    more = {"model": MODEL, "input": "?"} if kind == "responses" else {}
    return {"type": "response.create", **more}


@pytest.fixture
def base_url(world: Emulator) -> str:
    # Past the proxy: sockets know none in every version of the SDK.
    url: str = world.info["api_base_url"]
    return url


@every_kind
def test_a_socket_reconnects_with_a_new_token(
    kind: str, provider: svidex.Provider, world: Emulator, base_url: str
) -> None:
    sockets: list[Any] = []

    def on_reconnecting(_: Any) -> None:
        # Waits in a queue until there is a connection again.
        sockets[0].send(question(kind))

    with (
        svidex.openai.OpenAI(provider, base_url=base_url) as sdk,
        connect(sdk, kind, on_reconnecting=on_reconnecting, initial_delay=0.01) as socket,
    ):
        sockets.append(socket)
        first = provider.access_token()
        world.revoke_access_tokens()
        socket.send({"type": "emulator.close", "code": 1012})
        for event in socket:
            if event.type == LAST[kind]:
                break
        assert provider.access_token() != first


def test_a_failure_at_the_handshake_is_the_sdks_own(
    make_provider: Any, tmp_path: Any, base_url: str
) -> None:
    provider = make_provider(
        endpoint_socket=f"unix://{tmp_path}/nobody.sock", call_timeout_seconds=0.1
    )
    with (
        svidex.openai.OpenAI(provider, base_url=base_url) as sdk,
        pytest.raises(openai.APIConnectionError) as raised,
        connect(sdk, "realtime"),
    ):
        pass
    assert isinstance(raised.value.__cause__, svidex.SourceUnavailableError)
