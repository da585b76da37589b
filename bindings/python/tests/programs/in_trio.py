"""A provider in trio: a first token, a held one, a call given up, one that fails."""

import trio

import svidex
from emulator import from_environment

said: list[str] = []
emulator = from_environment()


async def main() -> None:
    provider = svidex.Provider.from_env()
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(provider.access_token_async)
    said.append("cold")
    assert await provider.access_token_async() == provider.access_token()
    said.append("warm")
    emulator.hold("workload_api")
    cold = svidex.Provider.from_env()
    with trio.move_on_after(0.05) as scope:
        await cold.access_token_async()
    assert scope.cancelled_caught
    said.append("cancelled")
    try:
        await cold.access_token_async(timeout=0.05)
    except svidex.TimeoutError:
        said.append("failed")
    emulator.release("workload_api")


trio.run(main)
print(", ".join(said))
