"""`svidex.openai`: what type checkers see, headers of the caller's own, and sockets.

What a model answers is asked in tests/e2e, with every version of the SDK.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import threading
from typing import TYPE_CHECKING, Any

import pytest

from svidex.testing import FakeProvider

openai = pytest.importorskip("openai")

if TYPE_CHECKING:
    import httpx2
    from openai.resources.realtime.realtime import AsyncRealtime, Realtime
    from openai.resources.responses.responses import AsyncResponses, Responses
    from typing_extensions import assert_type

    import svidex
    from emulator import OwnEmulator
    from svidex.openai import AsyncOpenAI, OpenAI

    # For mypy, which looks at the tests too.
    def the_sdks_types(client: OpenAI, aio: AsyncOpenAI) -> str:
        assert_type(client.responses, Responses)
        assert_type(client.realtime, Realtime)
        assert_type(aio.responses, AsyncResponses)
        assert_type(aio.realtime, AsyncRealtime)
        assert_type(client.base_url, httpx2.URL)
        assert_type(client.with_options(timeout=1), OpenAI)
        client.with_options(tmeout=1)  # type: ignore[call-arg]
        return client.responses.create(model="gpt-5-mini", input="?").output_text


pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    # Of websockets, about how version 2 of the SDK uses it.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.mark.parametrize("name", ["Authorization", "authorization"])
@pytest.mark.parametrize("whose", ["the client's", "the request's"])
def test_a_header_of_the_callers_own_goes_alone(name: str, whose: str) -> None:
    """Version 2 of the SDK sends names of other capitals beside its own."""
    from svidex.openai import OpenAI

    library = importlib.import_module(
        "httpx2" if openai.__version__.startswith("3.") else "httpx"
    )
    sent: list[list[str]] = []

    def answer(request: Any) -> Any:
        sent.append(request.headers.get_list("authorization"))
        return library.Response(200, json={"object": "list", "data": []})

    own, provider = {name: "Bearer mine"}, FakeProvider()
    http_client = library.Client(transport=library.MockTransport(answer))
    headers = own if whose == "the client's" else None
    with OpenAI(provider, default_headers=headers, http_client=http_client) as client:
        client.models.list(extra_headers=None if headers else own)
        # And as it reaches us from version 2.
        request = library.Request(
            "GET", client.base_url, headers=[("Authorization", "Bearer svidex"), *own.items()]
        )
        client._send_request(request, stream=False)
    assert sent == [["Bearer mine"]] * 2
    assert provider.calls == 0


def sockets(client: Any) -> list[Any]:
    return [
        lambda: client.realtime.connect(model="gpt-realtime"),
        client.responses.connect,
        client.beta.responses.connect,
    ]


KINDS = range(3)


@pytest.mark.parametrize("kind", KINDS, ids=["realtime", "responses", "beta.responses"])
def test_a_handshake_that_is_refused_is_sent_again(
    kind: int, provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    from svidex.openai import OpenAI

    pytest.importorskip("websockets")
    base_url = emulator.info["api_base_url_http"]
    provider.access_token()
    emulator.revoke_access_tokens()
    with OpenAI(provider, base_url=base_url) as client:
        with sockets(client)[kind]():
            pass
        # Frameworks copy this; a token in it would not be renewed.
        if openai.__version__.startswith("3."):
            assert client.api_key == ""
    assert emulator.counters()["api_unauthorized"] == 1


def test_and_so_it_is_where_its_connection_is_closed_twice_at_once(
    provider: svidex.Provider, emulator: OwnEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it happens without a GIL."""
    from svidex.openai import OpenAI

    pytest.importorskip("websockets")
    from websockets.sync.client import ClientConnection

    close, errors = ClientConnection.close_socket, [OSError(errno.EBADF, "too late")]

    def closed_too_late(connection: ClientConnection) -> None:
        close(connection)
        if errors and threading.current_thread() is threading.main_thread():
            raise errors.pop()

    monkeypatch.setattr(ClientConnection, "close_socket", closed_too_late)
    provider.access_token()
    emulator.revoke_access_tokens()
    base_url = emulator.info["api_base_url_http"]
    with (
        OpenAI(provider, base_url=base_url) as client,
        client.realtime.connect(model="gpt-realtime"),
    ):
        assert not errors
    assert emulator.counters()["api_unauthorized"] == 1


@pytest.mark.parametrize("kind", KINDS, ids=["realtime", "responses", "beta.responses"])
def test_a_handshake_with_a_header_of_the_callers_own_has_no_token_of_ours(
    kind: int, emulator: OwnEmulator
) -> None:
    from svidex.openai import OpenAI

    websockets = pytest.importorskip("websockets")
    base_url = emulator.info["api_base_url_http"]
    provider, headers = FakeProvider(), {"authorization": "Bearer mine"}
    with (
        OpenAI(provider, base_url=base_url, default_headers=headers) as client,
        contextlib.suppress(websockets.exceptions.InvalidStatus),
        sockets(client)[kind](),
    ):
        pytest.fail("the emulator took it")
    # Version 2 asks for a key before it looks.
    if openai.__version__.startswith("3."):
        assert provider.calls == 0
    assert emulator.counters()["api_unauthorized"] == 1
