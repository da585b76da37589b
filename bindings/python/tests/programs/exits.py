"""Ends while svidex is at work, in one of several ways.

Prints a line when it is about to end: the fetch or exchange is in flight then.
"""

import asyncio
import sys
import threading
import time
from contextlib import suppress

import svidex
from emulator import from_environment

how = sys.argv[1]
provider = svidex.Provider.from_env()


def in_flight(leg: str) -> None:
    from_environment().wait_until_held("workload_api" if leg == "fetch" else "token_endpoint")


async def abandon() -> None:
    task = asyncio.ensure_future(provider.access_token_async())
    await asyncio.to_thread(in_flight, "exchange")
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


if how == "idle":
    provider.access_token()
elif how == "fetch":
    with suppress(svidex.TimeoutError):
        provider.get_token(timeout=0)
    in_flight("fetch")
elif how == "exchange":
    provider.get_token()
    with suppress(svidex.TimeoutError):
        provider.access_token(timeout=0)
    in_flight("exchange")
elif how == "daemon threads":
    for _ in range(8):
        threading.Thread(target=provider.get_token, daemon=True).start()
    in_flight("fetch")
elif how == "event loop":
    asyncio.run(abandon())
else:
    sys.exit(f"no way to exit by {how}")
print(time.monotonic(), flush=True)
