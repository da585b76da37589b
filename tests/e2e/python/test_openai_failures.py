"""What the SDK makes of our errors: a permanent one is final, others it retries."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import openai
import pytest
import svidex
from openai import AsyncOpenAI, OpenAI

from clients import ask, async_client, client, every_way

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import MakeProvider
    from emulator import Emulator

SOMEBODY_ELSE = "spiffe://example.org/ns/somebody/sa/else"


def counted(call: Callable[[], Any], calls: list[None]) -> Callable[[], Any]:
    def counting() -> Any:
        calls.append(None)
        return call()

    return counting


@pytest.fixture
def denied(make_provider: MakeProvider) -> svidex.Provider:
    """Asks for an identity that is not its own."""
    return make_provider(spiffe_id=SOMEBODY_ELSE, call_timeout_seconds=0.2)


@pytest.fixture
def unreachable(make_provider: MakeProvider, tmp_path: Path) -> svidex.Provider:
    return make_provider(
        endpoint_socket=f"unix://{tmp_path}/nobody.sock", call_timeout_seconds=0.1
    )


def test_a_permanent_failure_in_the_callback_is_final(denied: svidex.Provider) -> None:
    identity = denied.workload_identity()
    calls: list[None] = []
    identity["provider"]["get_token"] = counted(identity["provider"]["get_token"], calls)
    with (
        OpenAI(workload_identity=identity, max_retries=2) as sdk,
        pytest.raises(svidex.PermissionDeniedError) as raised,
    ):
        ask(sdk)
    # One exception, known by either name.
    assert isinstance(raised.value, openai.OpenAIError)
    assert type(raised.value).__name__ == "PermissionDeniedError"
    assert raised.value.kind == "permission_denied"
    assert len(calls) == 1


def test_a_failure_that_time_may_heal_is_retried(unreachable: svidex.Provider) -> None:
    identity = unreachable.workload_identity()
    calls: list[None] = []
    identity["provider"]["get_token"] = counted(identity["provider"]["get_token"], calls)
    with (
        OpenAI(workload_identity=identity, max_retries=1) as sdk,
        pytest.raises(openai.APIConnectionError) as raised,
    ):
        ask(sdk)
    assert isinstance(raised.value.__cause__, svidex.SourceUnavailableError)
    assert "nobody.sock" in str(raised.value.__cause__)
    assert len(calls) == 2


def test_async_clients_see_the_same(
    denied: svidex.Provider, unreachable: svidex.Provider
) -> None:
    async def main() -> None:
        async with AsyncOpenAI(workload_identity=denied.workload_identity()) as sdk:
            with pytest.raises(svidex.PermissionDeniedError):
                await sdk.models.list()
        identity = unreachable.workload_identity()
        async with AsyncOpenAI(workload_identity=identity, max_retries=0) as sdk:
            with pytest.raises(openai.APIConnectionError) as raised:
                await sdk.models.list()
            assert isinstance(raised.value.__cause__, svidex.SourceUnavailableError)

    asyncio.run(main())


def test_a_deadline_in_the_callback_is_retried(
    make_provider: MakeProvider, tmp_path: Path
) -> None:
    path = tmp_path / "silent.sock"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        provider = make_provider(endpoint_socket=f"unix://{path}", call_timeout_seconds=0.1)
        with (
            OpenAI(workload_identity=provider.workload_identity(), max_retries=0) as sdk,
            pytest.raises(openai.APIConnectionError) as raised,
        ):
            ask(sdk)
    # This class derives from a built-in that has a layout of its own.
    assert isinstance(raised.value.__cause__, svidex.TimeoutError)
    assert isinstance(raised.value.__cause__, TimeoutError)


def test_an_api_key_callable_fails_once_with_our_error(
    denied: svidex.Provider, unreachable: svidex.Provider
) -> None:
    failing: list[tuple[svidex.Provider, type[svidex.Error]]] = [
        (denied, svidex.PermissionDeniedError),
        (unreachable, svidex.SourceUnavailableError),
    ]
    for provider, expected in failing:
        calls: list[None] = []
        key = counted(provider.access_token, calls)
        with OpenAI(api_key=key, max_retries=2) as sdk, pytest.raises(expected):
            ask(sdk)
        assert len(calls) == 1

    async def main() -> None:
        async with async_client("access token", denied) as sdk:
            with pytest.raises(svidex.PermissionDeniedError):
                await sdk.models.list()

    asyncio.run(main())


def test_an_exchange_that_openai_refuses(make_provider: MakeProvider, world: Emulator) -> None:
    provider = make_provider(service_account_id="sa_of_nobody")
    with client("callback", provider) as sdk, pytest.raises(openai.OAuthError):
        ask(sdk)
    with client("access token", provider) as sdk:
        with pytest.raises(svidex.ExchangeRejectedError) as raised:
            ask(sdk)
        assert raised.value.oauth_code
        assert raised.value.http_status in (400, 401, 403)


@every_way
def test_a_token_that_the_api_refuses_is_replaced(
    way: str, provider: svidex.Provider, world: Emulator
) -> None:
    with client(way, provider) as sdk:
        ask(sdk)
        world.revoke_access_tokens()
        if way == "access token":
            # This way the SDK replays nothing: the caller says which token it was.
            with pytest.raises(openai.AuthenticationError):
                ask(sdk)
            provider.invalidate(provider.access_token())
        assert world.info["spiffe_ids"][0] in ask(sdk)
