"""Calls at the limit of threads or of descriptors; ends with 0 when all is well."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import svidex
from children import fork, join

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = 1000 if os.environ.get("SVIDEX_LONG") else 60
# Nobody else's, so that its threads are ours.
STRANGER = 54_321


def limit(which: int, soft: int | None) -> None:
    hard = resource.getrlimit(which)[1]
    resource.setrlimit(which, (hard if soft is None else soft, hard))


def descriptors() -> int:
    # The directory cannot be opened where there is none left.
    return sum(is_open(number) for number in range(256))


def is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def no_threads() -> None:
    limit(resource.RLIMIT_NPROC, 0)
    os.setuid(STRANGER)


def no_descriptors() -> None:
    lowest_free = os.open("/dev/null", os.O_RDONLY)
    os.close(lowest_free)
    limit(resource.RLIMIT_NOFILE, lowest_free)


def check(error: svidex.Error, words: str) -> None:
    assert error.retryable, repr(error)
    assert words in str(error), error


def fails(call: Callable[[], str], words: str) -> None:
    try:
        call()
    except svidex.Error as error:
        check(error, words)
    else:
        raise AssertionError("there was room")


def at_the_limit(words: str, enter: Callable[[], None], which: int) -> None:
    def child() -> None:
        provider = svidex.Provider.from_env(call_timeout_seconds=30.0)
        loop = asyncio.new_event_loop()

        def in_loop() -> str:
            return loop.run_until_complete(provider.access_token_async(timeout=0.2))

        enter()
        held = 0
        for round_ in range(CALLS // 3):
            if round_ == 1:
                # With what a loop keeps for as long as it is.
                held = descriptors()
            fails(lambda: provider.get_token(timeout=0.2), words)
            fails(lambda: provider.access_token(timeout=0.2), words)
            fails(in_loop, words)
        assert descriptors() == held
        limit(which, None)
        assert provider.access_token()

    join(fork(child))


# What errors and loops need is imported while there is room, by a user who can read it.
with suppress(svidex.Error):
    provider = svidex.Provider(endpoint_socket="unix:///nonexistent")
    asyncio.run(provider.access_token_async(timeout=0.01))
if sys.argv[1] == "threads":
    at_the_limit("limit of threads", no_threads, resource.RLIMIT_NPROC)
else:
    at_the_limit("out of file descriptors", no_descriptors, resource.RLIMIT_NOFILE)
