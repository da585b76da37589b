"""Tokens in an event loop: asyncio's own, and uvloop."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

import svidex
from svidex import _event_loop

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from emulator import OwnEmulator


@pytest.fixture(
    params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    loop: asyncio.AbstractEventLoop = request.param()
    yield loop
    loop.close()
    assert not _event_loop._desks, "a mailbox outlived the calls that it was for"


async def until_held(emulator: OwnEmulator) -> None:
    """The fetch is under way; the loop goes on meanwhile."""
    await asyncio.to_thread(emulator.wait_until_held, "workload_api")


def test_a_warm_call_does_not_even_suspend(provider: svidex.Provider) -> None:
    for blocking, call in (
        (provider.get_token, provider.get_token_async),
        (provider.access_token, provider.access_token_async),
    ):
        token = blocking()
        # Driven by hand, without any event loop.
        with pytest.raises(StopIteration) as ended:
            call().send(None)
        assert ended.value.value is token


def test_cold_calls(loop: asyncio.AbstractEventLoop, provider: svidex.Provider) -> None:
    async def main() -> None:
        access = await provider.access_token_async()
        assert access is await provider.access_token_async()
        assert access == provider.access_token()
        assert await provider.get_token_async() == provider.get_token()

    loop.run_until_complete(main())


def test_the_loop_goes_on_while_a_call_waits(
    loop: asyncio.AbstractEventLoop, provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    async def main() -> None:
        emulator.hold("workload_api")
        call = asyncio.ensure_future(provider.get_token_async())
        await until_held(emulator)
        assert not call.done()
        emulator.release("workload_api")
        assert await call == provider.get_token()

    loop.run_until_complete(main())


def test_a_thousand_cold_tasks_of_which_half_are_cancelled(
    loop: asyncio.AbstractEventLoop, provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    async def main() -> None:
        emulator.hold("workload_api")
        tasks = [asyncio.ensure_future(provider.access_token_async()) for _ in range(1000)]
        await until_held(emulator)
        for task in tasks[:501]:
            task.cancel()
        emulator.release("workload_api")
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results[:501])
        assert set(results[501:]) == {provider.access_token()}

    loop.run_until_complete(main())
    counters = emulator.counters()
    assert (counters["fetch_jwt_svid"], counters["exchanges"]) == (1, 1)


def test_cancelling_the_only_task_leaves_the_fetch_to_the_next_one(
    loop: asyncio.AbstractEventLoop, provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    async def main() -> None:
        emulator.hold("workload_api")
        task = asyncio.ensure_future(provider.get_token_async())
        await until_held(emulator)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not _event_loop._desks
        emulator.release("workload_api")
        assert await provider.get_token_async()

    loop.run_until_complete(main())
    assert emulator.counters()["fetch_jwt_svid"] == 1


def test_deadlines(
    loop: asyncio.AbstractEventLoop, provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    async def main() -> None:
        emulator.fault("workload_api", hang=True)
        with pytest.raises(svidex.TimeoutError):
            await provider.get_token_async(timeout=0.05)
        with pytest.raises(svidex.TimeoutError):
            await provider.access_token_async(timeout=0)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(provider.get_token_async(), 0.05)
        with pytest.raises(svidex.InvalidConfigError):
            await provider.get_token_async(timeout=-1)

    loop.run_until_complete(main())


def test_an_error_is_the_same_as_on_a_thread(
    loop: asyncio.AbstractEventLoop, provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    emulator.fault("token_endpoint", status=400, oauth_error="invalid_target")

    async def main() -> None:
        tasks = [provider.access_token_async() for _ in range(10)]
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        for error in errors:
            assert isinstance(error, svidex.ExchangeRejectedError)
            assert (error.http_status, error.oauth_code) == (400, "invalid_target")
        # Raised in ten places: ten tracebacks.
        assert len({id(error) for error in errors}) == 10

    loop.run_until_complete(main())


def test_closing_ends_a_call_that_is_pending(
    loop: asyncio.AbstractEventLoop, emulator: OwnEmulator
) -> None:
    async def main() -> None:
        emulator.hold("workload_api")
        async with svidex.Provider(**emulator.options) as provider:
            task = asyncio.ensure_future(provider.access_token_async())
            await until_held(emulator)
        with pytest.raises(svidex.ClosedError):
            await task
        with pytest.raises(svidex.ClosedError):
            await provider.get_token_async()

    loop.run_until_complete(main())


def test_many_loops_in_many_threads_at_once(
    provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    emulator.hold("workload_api")
    about_to_call = threading.Barrier(21)
    tokens: list[str] = []

    async def ten_calls() -> None:
        about_to_call.wait()
        tokens.extend(await asyncio.gather(*[provider.get_token_async() for _ in range(10)]))

    threads = [threading.Thread(target=asyncio.run, args=(ten_calls(),)) for _ in range(20)]
    for thread in threads:
        thread.start()
    about_to_call.wait()
    emulator.wait_until_held("workload_api")
    emulator.release("workload_api")
    for thread in threads:
        thread.join()
    assert len(tokens) == 200
    assert set(tokens) == {provider.get_token()}


def test_a_loop_that_closes_over_a_pending_call_leaks_nothing(
    provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    emulator.hold("workload_api")

    async def first_step(call: Coroutine[Any, Any, str]) -> None:
        call.send(None)

    def abandon() -> int:
        loop = asyncio.new_event_loop()
        # Not as a task: that one would complain that it was destroyed.
        call = provider.get_token_async()
        loop.run_until_complete(first_step(call))
        loop.close()
        call.close()
        del loop, call
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    with pytest.raises(svidex.TimeoutError):
        provider.get_token(timeout=0)
    emulator.wait_until_held("workload_api")
    first = abandon()
    assert not _event_loop._desks
    counts = [abandon() for _ in range(50)]
    # Each call that was given up may hold its socket until its thread hears of it.
    assert min(counts[-5:]) <= first + 10
    emulator.release("workload_api")
    assert asyncio.run(provider.get_token_async()) == provider.get_token()


def test_outside_of_a_loop_a_cold_call_says_so(provider: svidex.Provider) -> None:
    call = provider.get_token_async()
    with pytest.raises(RuntimeError, match="no running event loop"):
        call.send(None)
