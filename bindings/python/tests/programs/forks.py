"""Forks in one of several states; ends with 0 when parent and children are well."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
from types import ModuleType

import svidex
from children import CHILD_SECONDS, fork, join
from emulator import from_environment

FORKS_UNDER_LOAD = 500 if os.environ.get("SVIDEX_LONG") else 50

emulator = from_environment()


def renew(provider: svidex.Provider) -> None:
    """What is held, then a new one: an SVID that the Workload API has to give."""
    token = provider.get_token()
    provider.invalidate(token)
    assert provider.get_token() != token


def warm() -> None:
    """The child of a parent that holds both tokens."""
    provider = svidex.Provider.from_env()
    tokens = provider.get_token(), provider.access_token()
    before = emulator.counters()

    def child() -> None:
        assert (provider.get_token(), provider.access_token()) == tokens
        after = emulator.counters()
        assert after["fetch_jwt_svid"] == before["fetch_jwt_svid"], "inherited, not fetched"
        renew(provider)
        assert svidex.Provider.from_env().access_token()

    join(fork(child))
    assert (provider.get_token(), provider.access_token()) == tokens
    renew(provider)


def first_fetch() -> None:
    """A child born in the middle of its parent's first fetch."""
    provider = svidex.Provider.from_env()
    emulator.hold("workload_api")
    tokens: list[str] = []
    caller = threading.Thread(target=lambda: tokens.append(provider.get_token()))
    caller.start()
    emulator.wait_until_held("workload_api", 1)
    pid = fork(lambda: renew(provider))
    # The child asks on a connection of its own; the parent's is not disturbed.
    emulator.wait_until_held("workload_api", 2)
    emulator.release("workload_api")
    join(pid)
    caller.join()
    assert tokens == [provider.get_token()]


def first_use() -> None:
    """A child born while another thread looks up what the provider needs of Python."""
    provider = svidex.Provider.from_env()
    looking, forked = threading.Event(), threading.Event()
    parent = os.getpid()
    from svidex import _status

    class Slow(ModuleType):
        def __getattr__(self, name: str) -> object:
            if os.getpid() == parent:
                looking.set()
                forked.wait()
            return getattr(_status, name)

    sys.modules["svidex._status"] = Slow("svidex._status")
    caller = threading.Thread(target=provider.status)
    caller.start()
    looking.wait()
    pid = fork(provider.status)
    forked.set()
    join(pid)
    caller.join()


def under_load() -> None:
    """Many children of a parent whose threads are all at it, from the very start."""
    shared = svidex.Provider.from_env()
    at_work = threading.Event()
    done = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while not done.is_set():
                with svidex.Provider.from_env() as mine:
                    assert mine.get_token()
                    assert shared.access_token()
                at_work.set()
        except BaseException as error:
            failures.append(error)

    def child() -> None:
        assert shared.access_token()
        renew(shared)
        assert svidex.Provider.from_env().get_token()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    # The first ones while runtime and connections are still being made.
    pids = [fork(child) for _ in range(5)]
    at_work.wait()
    for _ in range(FORKS_UNDER_LOAD - len(pids)):
        join(fork(child))
    join(*pids)
    done.set()
    for thread in threads:
        thread.join()
    assert not failures, failures


def event_loop() -> None:
    """A child of a parent that has a call pending in an event loop."""
    provider = svidex.Provider.from_env()

    async def ask() -> str:
        return await provider.get_token_async()

    async def parent() -> int:
        emulator.hold("workload_api")
        task = asyncio.ensure_future(ask())
        await asyncio.to_thread(emulator.wait_until_held, "workload_api", 1)
        pid = fork(lambda: print(len(asyncio.run(ask())), flush=True))
        await asyncio.to_thread(emulator.wait_until_held, "workload_api", 2)
        emulator.release("workload_api")
        assert await task == await ask()
        return pid

    join(asyncio.run(parent()))

    # A loop that stood still over the fork works on in the child.
    loop = asyncio.new_event_loop()
    token = loop.run_until_complete(ask())

    def child() -> None:
        provider.invalidate(token)
        assert loop.run_until_complete(ask()) != token

    join(fork(child))
    assert loop.run_until_complete(ask()) == token
    loop.close()


def multiprocess() -> None:
    """Four workers of multiprocessing, by fork, with a hundred requests each."""
    provider = svidex.Provider.from_env()
    token = provider.access_token()

    def work() -> None:
        signal.alarm(CHILD_SECONDS)
        for request in range(100):
            if request % 20 == 0:
                renew(provider)
            assert provider.get_token()
            assert provider.access_token() == token

    workers = [multiprocessing.get_context("fork").Process(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4


# Every fetch gives another token, so that a new one can be told.
emulator.settings(svid_repeat=False)
{
    "warm": warm,
    "first fetch": first_fetch,
    "first use": first_use,
    "under load": under_load,
    "event loop": event_loop,
    "multiprocessing": multiprocess,
}[sys.argv[1]]()
