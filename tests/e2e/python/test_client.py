"""`svidex.openai`: a refused token is replaced unseen, and errors are the SDK's own.

Runs with every major version of the SDK and with either HTTP library.
"""

from __future__ import annotations

import asyncio
import io
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import openai
import pytest
import svidex
import svidex.openai
from svidex.testing import FakeProvider

from clients import MODEL, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from emulator import Emulator

# The SDK closes neither in an order that suits `filterwarnings = error`.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def sdk(provider: svidex.Provider) -> Iterator[openai.OpenAI]:
    with svidex.openai.OpenAI(provider) as client:
        yield client


def refused(world: Emulator) -> int:
    count: int = world.counters()["api_unauthorized"]
    return count


def test_the_sdk_sees_one_of_its_own_clients(sdk: openai.OpenAI) -> None:
    assert isinstance(sdk, openai.OpenAI)
    # Frameworks copy this; a token in it would not be renewed.
    assert sdk.api_key == ""


@pytest.mark.parametrize("kind", ["bytes", "file", "path"])
def test_uploads_are_replayed_whole(
    kind: str, sdk: openai.OpenAI, world: Emulator, tmp_path: Path
) -> None:
    path = tmp_path / "upload"
    path.write_bytes(b"x" * 200_000)
    ask(sdk)
    world.revoke_access_tokens()
    with ExitStack() as stack:
        upload: dict[str, Any] = {
            "bytes": path.read_bytes(),
            "file": stack.enter_context(path.open("rb")),
            "path": path,
        }
        assert sdk.files.create(file=upload[kind], purpose="user_data").bytes == 200_000


def stream_of(size: int) -> Any:
    """What can be read once."""
    return Unseekable(size)


class Unseekable(io.RawIOBase):
    def __init__(self, size: int) -> None:
        self.left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read = min(self.left, len(buffer))
        buffer[:read] = b"x" * read
        self.left -= read
        return read


def test_what_cannot_be_sent_again_fails_once_and_is_not_sent_in_part(
    sdk: openai.OpenAI, world: Emulator
) -> None:
    ask(sdk)
    world.revoke_access_tokens()
    with pytest.raises(openai.AuthenticationError):
        sdk.files.create(file=("upload", stream_of(1_000)), purpose="user_data")
    # The token is gone all the same.
    uploaded = sdk.files.create(file=("upload", stream_of(1_000)), purpose="user_data")
    assert uploaded.bytes == 1_000


def test_the_newer_token_that_somebody_else_brought_is_kept(world: Emulator) -> None:
    """A 401 for an older token than the one held costs nobody the newer one."""
    provider = FakeProvider()
    sent: list[str] = []

    class Transport(_transport()):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            token = request.headers["Authorization"]
            sent.append(token)
            if len(sent) == 1:
                provider.invalidate("access-token-1")
                return _response(401)
            return _response(200)

    http_client = _http().Client(transport=Transport())
    with svidex.openai.OpenAI(provider, http_client=http_client) as sdk:
        sdk.models.list()
    assert sent == ["Bearer access-token-1", "Bearer access-token-2"]
    assert provider.invalidated == ["access-token-1"]


def _http() -> Any:
    """The HTTP library that this SDK uses by itself."""
    import importlib

    name = "httpx2" if openai.__version__.startswith("3.") else "httpx"
    return importlib.import_module(name)


def _transport() -> Any:
    return _http().BaseTransport


def _response(status: int) -> Any:
    body = {"object": "list", "data": []} if status == 200 else {"error": {"message": "no"}}
    return _http().Response(status, json=body)


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_the_users_own_http_client_is_used(
    library: str, provider: svidex.Provider, world: Emulator
) -> None:
    module = pytest.importorskip(library)
    seen: list[str] = []

    def note(request: Any) -> None:
        seen.append(request.url.path)

    http_client = module.Client(event_hooks={"request": [note]}, timeout=7)
    with svidex.openai.OpenAI(provider, http_client=http_client) as sdk:
        timeout: Any = sdk.timeout
        assert timeout.read == 7
        ask(sdk)
        world.revoke_access_tokens()
        assert world.info["spiffe_ids"][0] in ask(sdk)
    assert seen == ["/v1/responses"] * 3


def test_copies_keep_it(sdk: openai.OpenAI, world: Emulator) -> None:
    copy = sdk.with_options(max_retries=0, timeout=20, default_headers={"X-Mine": "1"})
    assert isinstance(copy, svidex.openai.OpenAI)
    assert (copy.max_retries, copy.timeout) == (0, 20)
    ask(copy)
    world.revoke_access_tokens()
    assert world.info["spiffe_ids"][0] in ask(copy.copy())
    raw = copy.models.with_raw_response.list()
    assert raw.status_code == 200


def test_a_copy_with_another_key_uses_that_alone(sdk: openai.OpenAI, world: Emulator) -> None:
    with pytest.raises(openai.AuthenticationError):
        ask(sdk.with_options(api_key="sk-somebody-else"))
    before = refused(world)
    ask(sdk)
    assert refused(world) == before


def test_a_header_of_the_callers_own_is_left_alone(sdk: openai.OpenAI, world: Emulator) -> None:
    with pytest.raises(openai.AuthenticationError):
        sdk.models.list(extra_headers={"Authorization": "Bearer mine"})
    assert list(sdk.models.list())


def test_credentials_given_twice_are_refused_at_once(provider: svidex.Provider) -> None:
    with pytest.raises(svidex.InvalidConfigError, match="api_key"):
        svidex.openai.OpenAI(provider, api_key="sk-canary")
    with pytest.raises(svidex.InvalidConfigError, match="goes first"):
        svidex.openai.OpenAI(provider=provider)
    with pytest.raises(TypeError, match=r"svidex\.Provider"):
        svidex.openai.AsyncOpenAI("sk-canary")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not a builtin_function_or_method"):
        svidex.openai.OpenAI(provider.access_token)  # type: ignore[arg-type]


def test_a_sync_callable_works_in_an_async_client(
    provider: svidex.Provider, world: Emulator
) -> None:
    async def main() -> None:
        async with openai.AsyncOpenAI(api_key=provider.access_token) as client:  # type: ignore[arg-type]
            answer = await client.responses.create(model=MODEL, input="?")
            assert world.info["spiffe_ids"][0] in answer.output_text

    asyncio.run(main())


def test_the_default_provider(world: Emulator) -> None:
    with svidex.openai.OpenAI() as sdk:
        assert world.info["spiffe_ids"][0] in ask(sdk)
    assert svidex.default_provider() is svidex.default_provider()


def test_a_default_provider_that_somebody_closed_has_a_successor(world: Emulator) -> None:
    with svidex.default_provider() as closed:
        svidex.access_token()
    assert svidex.default_provider() is not closed
    with svidex.openai.OpenAI() as sdk:
        assert world.info["spiffe_ids"][0] in ask(sdk)
    assert svidex.access_token()
