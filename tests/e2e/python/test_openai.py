"""OpenAI's own SDK gets its answer, both ways round.

The answer names the SPIFFE ID that the access token was issued for, so each test
goes all the way: Workload API or token file, exchange (which checks the SVID with
keys that it discovers over TLS), API.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from clients import MODEL, ask, async_client, client, every_way

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import svidex

    from conftest import MakeProvider
    from emulator import Emulator


@pytest.fixture
def exchanges(world: Emulator) -> Callable[[], int]:
    """How many the token endpoint has granted since the test began."""
    before: int = world.counters()["exchanges_ok"]

    def since() -> int:
        now: int = world.counters()["exchanges_ok"]
        return now - before

    return since


@every_way
def test_plain(
    way: str, provider: svidex.Provider, world: Emulator, exchanges: Callable[[], int]
) -> None:
    refused = world.counters()["api_unauthorized"]
    with client(way, provider) as openai:
        answer = ask(openai)
        assert world.info["spiffe_ids"][0] in answer
        chat = openai.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Who am I?"}]
        )
        assert chat.choices[0].message.content == answer
        assert list(openai.models.list())
    assert exchanges() == 1
    assert world.counters()["api_unauthorized"] == refused


@every_way
def test_streaming(way: str, provider: svidex.Provider, world: Emulator) -> None:
    with client(way, provider) as openai:
        with openai.responses.stream(model=MODEL, input="Who am I?") as stream:
            deltas = [e.delta for e in stream if e.type == "response.output_text.delta"]
            answer = stream.get_final_response().output_text
        assert len(deltas) > 1
        assert "".join(deltas) == answer
        assert world.info["spiffe_ids"][0] in answer
        chunks = openai.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Who am I?"}], stream=True
        )
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == answer


@every_way
def test_async_plain_and_streaming(
    way: str, provider: svidex.Provider, world: Emulator
) -> None:
    async def main() -> None:
        async with async_client(way, provider) as openai:
            answer = await openai.responses.create(model=MODEL, input="Who am I?")
            assert world.info["spiffe_ids"][0] in answer.output_text
            stream = await openai.responses.create(model=MODEL, input="Who am I?", stream=True)
            deltas = [e.delta async for e in stream if e.type == "response.output_text.delta"]
            assert "".join(deltas) == answer.output_text

    asyncio.run(main())


@every_way
def test_many_requests_share_one_exchange(
    way: str, provider: svidex.Provider, exchanges: Callable[[], int]
) -> None:
    async def main() -> None:
        async with async_client(way, provider) as openai:
            requests = [
                openai.responses.create(model=MODEL, input="Who am I?") for _ in range(50)
            ]
            assert len({answer.output_text for answer in await asyncio.gather(*requests)}) == 1

    asyncio.run(main())
    assert exchanges() == 1


def replace(path: Path, token: str) -> None:
    """As a sidecar does it: no reader ever sees half of it."""
    fresh = path.with_suffix(".new")
    fresh.write_text(token)
    os.replace(fresh, path)


@every_way
def test_a_token_file_that_is_replaced_while_the_program_runs(
    way: str,
    make_provider: MakeProvider,
    world: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Two identities, so that the answer tells which token was read.
    first, second = (
        make_provider(spiffe_id=spiffe_id) for spiffe_id in world.info["spiffe_ids"][:2]
    )
    path = tmp_path / "token"
    replace(path, first.get_token())
    monkeypatch.delenv("SVIDEX_SPIFFE_ID")
    provider = make_provider(identity_token_file=path)
    with client(way, provider) as openai:
        assert world.info["spiffe_ids"][0] in ask(openai)

    replace(path, second.get_token())
    # Rather than wait until the renewals are due.
    if provider.status().access_token is not None:
        provider.invalidate(provider.access_token())
    provider.invalidate(provider.get_token())
    with client(way, provider) as openai:
        assert world.info["spiffe_ids"][1] in ask(openai)


@every_way
def test_the_token_file_of_the_environment(
    way: str, make_provider: MakeProvider, world: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_IDENTITY_TOKEN_FILE", world.info["token_file"])
    provider = make_provider()
    assert provider.status().source == f"file {world.info['token_file']}"
    with client(way, provider) as openai:
        assert world.info["spiffe_ids"][0] in ask(openai)


@every_way
def test_through_the_proxy_with_every_url_at_its_default(
    way: str, provider: svidex.Provider, world: Emulator
) -> None:
    before = world.counters()["proxy_connects"]
    with client(way, provider) as openai:
        assert openai.base_url.host == "api.openai.com"
        ask(openai)
    after = world.counters()["proxy_connects"]
    for host in ("auth.openai.com", "api.openai.com"):
        [name] = [name for name in after if name.startswith(host)]
        assert after[name] > before.get(name, 0)
