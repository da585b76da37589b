"""Calls OpenAI through its SDK while the SVID is replaced ten times.

Alone with an emulator: whatever that one counts is of these calls. Prints what
it counted. A call that fails ends the program.
"""

from __future__ import annotations

import asyncio
import json
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import svidex
from openai import AsyncOpenAI, OpenAI

from clients import MODEL
from emulator import from_environment

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROTATIONS = 10
# How often a program calls.
PACE_SECONDS = 0.05
# Answered while an exchange stands still.
CALLS_MEANWHILE = 2

emulator = from_environment()
provider = svidex.Provider.from_env()
calls = 0


def check(answer: str) -> None:
    global calls
    calls += 1
    assert emulator.info["spiffe_ids"][0] in answer


def exchanged_more_often_than(count: int) -> bool:
    return provider.status().exchanges > count


async def with_our_tokens(call: Callable[[], Awaitable[None]]) -> None:
    """Holds each exchange but the first until calls were answered without it."""

    async def keep_calling(until: Callable[[], bool]) -> None:
        while not until():
            await call()
            await asyncio.sleep(PACE_SECONDS)

    await call()
    with ThreadPoolExecutor(1) as pool:
        for _ in range(ROTATIONS):
            emulator.hold("token_endpoint")
            in_flight: Future[None] = pool.submit(emulator.wait_until_held, "token_endpoint")
            await keep_calling(until=in_flight.done)
            in_flight.result()
            before = provider.status().exchanges
            for _ in range(CALLS_MEANWHILE):
                await call()
            assert provider.status().exchanges == before, "it stands still"
            emulator.release("token_endpoint")
            await keep_calling(until=partial(exchanged_more_often_than, before))


def access_token() -> None:
    with OpenAI(api_key=provider.access_token, max_retries=0) as sdk:

        async def call() -> None:
            check(sdk.responses.create(model=MODEL, input="Who am I?").output_text)

        asyncio.run(with_our_tokens(call))


def access_token_async() -> None:
    async def main() -> None:
        async with AsyncOpenAI(api_key=provider.access_token_async, max_retries=0) as sdk:

            async def call() -> None:
                answer = await sdk.responses.create(model=MODEL, input="Who am I?")
                check(answer.output_text)

            await with_our_tokens(call)

    asyncio.run(main())


def workload_identity() -> None:
    """The SDK exchanges in a caller's request, but nobody waits for an SVID."""
    identity = provider.workload_identity()
    # A twentieth of five minutes; here, of the SVIDs that there are.
    assert identity["refresh_buffer_seconds"] == 15
    svid_seconds = float(sys.argv[2])
    identity["refresh_buffer_seconds"] = svid_seconds / 20
    given: list[str] = []
    get_token = identity["provider"]["get_token"]

    def from_memory() -> str:
        if given:
            # Raises if it would have to wait.
            provider.get_token(timeout=0)
        given.append(get_token())
        return given[-1]

    identity["provider"]["get_token"] = from_memory

    async def main() -> None:
        while len(set(given)) < 1 + ROTATIONS:
            check(sdk.responses.create(model=MODEL, input="Who am I?").output_text)
            await asyncio.sleep(PACE_SECONDS)

    with OpenAI(workload_identity=identity, max_retries=0) as sdk:
        asyncio.run(main())
    assert len(given) == len(set(given)), "the same SVID was exchanged twice"


{
    "access_token": access_token,
    "access_token_async": access_token_async,
    "workload_identity": workload_identity,
}[sys.argv[1]]()
status = provider.status()
print(
    json.dumps(
        {
            "calls": calls,
            "failures": status.fetch_failures + status.exchange_failures,
            "counters": emulator.counters(),
        }
    )
)
