"""Calls while files and names hang, and a log handler too; ends with 0 when all is well.

To be run under tests/hangs/hangs.py, which makes them hang.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import svidex
from emulator import from_environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from svidex import Options

DEADLINE = 1.0
SLACK = 0.2 if os.environ.get("SVIDEX_LONG") else 2.0
emulator = from_environment()
files = os.environ["SVIDEX_HUNG_FILES"].split(":")
name = os.environ["SVIDEX_HUNG_NAME"]


def provider(**options: object) -> svidex.Provider:
    settings: Options = {
        **emulator.options,
        "request_timeout_seconds": DEADLINE / 2,
        "call_timeout_seconds": DEADLINE,
        **options,  # type: ignore[typeddict-item]
    }
    return svidex.Provider(**settings)


def of_file(path: str) -> svidex.Provider:
    options = {k: v for k, v in emulator.options.items() if k != "endpoint_socket"}
    return svidex.Provider(
        **options,  # type: ignore[arg-type]
        identity_token_file=path,
        request_timeout_seconds=DEADLINE / 2,
        call_timeout_seconds=DEADLINE,
    )


def check(error: svidex.Error, seconds: float, words: str) -> None:
    assert seconds < DEADLINE + SLACK, f"{seconds} s: {error}"
    assert error.retryable, repr(error)
    assert words in str(error), error


def fail(call: Callable[[], str], words: str) -> None:
    begun = time.monotonic()
    try:
        call()
    except svidex.Error as error:
        check(error, time.monotonic() - begun, words)
    else:
        raise AssertionError(f"a token, and not {words}")


async def fail_async(hung: svidex.Provider, words: str) -> None:
    begun = time.monotonic()
    try:
        await hung.access_token_async()
    except svidex.Error as error:
        check(error, time.monotonic() - begun, words)
    else:
        raise AssertionError(f"a token, and not {words}")


def handle(_: logging.LogRecord) -> bool:
    inside.set()
    return threading.Event().wait()


inside = threading.Event()
handler = logging.Handler(logging.DEBUG)
handler.handle = handle  # type: ignore[method-assign,assignment]
logging.getLogger("svidex").addHandler(handler)
logging.getLogger("svidex").setLevel(logging.DEBUG)
provider().get_token()
assert inside.wait(20)

begun = time.monotonic()
hung = [(of_file(path), "file system") for path in files]
hung += [
    (provider(token_endpoint=f"https://{number}.{name}/token"), "looking up")
    for number in range(5)
]
hung.append((provider(ca_file=files[0]), "file system"))
assert time.monotonic() - begun < len(hung) * SLACK, "making them takes its time"

with ThreadPoolExecutor(len(hung)) as pool:
    for ended in [pool.submit(fail, one.access_token, words) for one, words in hung]:
        ended.result()


async def all_at_once() -> None:
    await asyncio.gather(*(fail_async(one, words) for one, words in hung))


asyncio.run(all_at_once())
# They hang still, and nobody else minds.
fail(provider(endpoint_socket="unix:///nonexistent/agent.sock").get_token, "nonexistent")
healthy = provider(call_timeout_seconds=30.0, request_timeout_seconds=30.0)
assert healthy.get_token()
assert healthy.access_token()
sys.stdout.write("all is well\n")
