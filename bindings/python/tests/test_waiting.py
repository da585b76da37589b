"""Waiting in programs of every make: greenlets, trio, loops that end early."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import svidex
from svidex.testing import FakeProvider

if TYPE_CHECKING:
    from emulator import OwnEmulator

PROGRAMS = Path(__file__).parent / "programs"


def run(program: str, emulator: OwnEmulator, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, PROGRAMS / program, *arguments],
        env={**emulator.environment, "PYTHONPATH": str(PROGRAMS.parent)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


@pytest.mark.parametrize(
    "library", ["gevent", "gevent-patched", "eventlet", "eventlet-patched"]
)
def test_a_wait_in_a_greenlet_stops_no_other(library: str, emulator: OwnEmulator) -> None:
    pytest.importorskip(library.partition("-")[0])
    emulator.hold("workload_api")
    out = run("greenlets.py", emulator, library)
    assert out == "others ran while it waited\n"


def test_trio(emulator: OwnEmulator) -> None:
    pytest.importorskip("trio")
    assert run("in_trio.py", emulator) == "cold, warm, cancelled, failed\n"


def test_a_loop_of_another_kind_is_told_so(emulator: OwnEmulator) -> None:
    provider = svidex.Provider(**emulator.options)
    call = provider.access_token_async()
    with pytest.raises(svidex.InvalidConfigError, match="no running event loop"):
        call.send(None)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_loop_that_is_closed_over_a_pending_call_leaves_nothing(
    emulator: OwnEmulator, make_provider: Any
) -> None:
    provider = make_provider(call_timeout_seconds=60)
    emulator.hold("workload_api")

    def abandon() -> weakref.ref[Any]:
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda *_: None)
        task: Any = loop.create_task(provider.get_token_async())
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()
        # What asyncio says of it is its own business.
        task._log_destroy_pending = False
        return weakref.ref(loop)

    # The first one makes what stays: threads, the connection.
    abandon()
    emulator.wait_until_held("workload_api")
    gc.collect()
    before = descriptors()
    loops = [abandon() for _ in range(10)]
    gc.collect()
    assert [loop() for loop in loops] == [None] * 10
    # The core lets go of the calls on a thread of its own.
    deadline = time.monotonic() + 30
    while descriptors() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert descriptors() <= before


def test_copies_are_the_same_provider(provider: svidex.Provider) -> None:
    assert copy.copy(provider) is provider
    assert copy.deepcopy({"key": provider})["key"] is provider
    method: Any = copy.deepcopy(provider.access_token_async)
    assert method.__self__ is provider
    assert copy.deepcopy(provider.access_token)() == provider.access_token()
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(provider)


@pytest.mark.parametrize("kind", ["legacy", "isolated"])
def test_a_subinterpreter_is_refused_with_a_sentence(kind: str) -> None:
    program = """
import sys
kind = sys.argv[1]
try:
    import _interpreters as interpreters
    other, run = interpreters.create(kind), interpreters.exec
except ImportError:  # Before Python 3.13.
    import _xxsubinterpreters as interpreters
    other, run = interpreters.create(isolated=kind == "isolated"), interpreters.run_string
def refused():
    run(other, '''
import sys
sys.path[:] = %r
try:
    from svidex import Provider
except ImportError as error:
    print(error)
''' % (sys.path,))
refused()
import svidex
svidex.Provider
refused()
interpreters.destroy(other)
svidex.Provider(endpoint_socket="unix:/nowhere").close()
"""
    command = [sys.executable, "-c", program, kind]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("works in the main interpreter of a process only") == 2


def test_a_token_with_what_is_known_about_it(
    provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    emulator.settings(scope="model.request")
    cold = provider.access_token_details()
    assert cold.text == provider.access_token()
    assert cold.scope == "model.request"
    assert cold.spiffe_id == emulator.info["spiffe_ids"][0]
    status = provider.status().access_token
    assert status is not None
    assert cold.expires_at_unix_ms == status.expires_at_unix_ms
    assert cold.expires_at == status.expires_at_unix_ms / 1000
    assert cold.text not in repr(cold)
    with pytest.raises(AttributeError, match="immutable"):
        cold.text = ""
    assert copy.deepcopy({"of": cold})["of"] is copy.copy(cold) is cold
    unpickled = pickle.loads(pickle.dumps(cold))
    assert (unpickled.text, repr(unpickled)) == (cold.text, repr(cold))
    svid = asyncio.run(provider.get_token_details_async())
    assert (svid.text, svid.scope) == (provider.get_token(), None)
    assert asyncio.run(provider.access_token_details_async()).text == cold.text


def test_the_text_of_a_token_is_a_string_and_can_be_awaited(provider: svidex.Provider) -> None:
    token = provider.access_token()

    async def main() -> None:
        assert await token is token  # type: ignore[misc]

    asyncio.run(main())
    assert isinstance(token, str)
    assert type(pickle.loads(pickle.dumps(token))) is str
    assert type(copy.deepcopy(token)) is str


def test_the_fake_is_a_provider_without_anything_native() -> None:
    provider = FakeProvider(scope="model.request")
    assert isinstance(provider, svidex.TokenProvider)
    assert (provider.get_token(), provider.access_token()) == (
        "subject-token-1",
        "access-token-1",
    )
    provider.invalidate("access-token-1")
    provider.invalidate("access-token-1")
    assert provider.access_token() == "access-token-2"
    assert provider.invalidated == ["access-token-1"]
    assert provider.access_token_details().scope == "model.request"
    # As the real one: a framework that copies its settings asks the same provider.
    assert copy.copy(provider) is provider
    method: Any = copy.deepcopy(provider.access_token_async)
    assert method.__self__ is provider
    assert copy.deepcopy({"key": provider})["key"] is provider
    provider.error = svidex.TimeoutError("slow", retryable=True)
    with pytest.raises(svidex.TimeoutError):
        asyncio.run(provider.access_token_async())
    program = """
import sys
from svidex.testing import FakeProvider
import svidex
svidex.auth(FakeProvider())
assert "svidex._svidex" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_threads_that_share_the_fake_are_all_counted() -> None:
    provider = FakeProvider()
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        for _ in range(500):
            provider.invalidate(provider.access_token())

    threads = [threading.Thread(target=work) for _ in range(barrier.parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert provider.calls == 8 * 500
    assert len(set(provider.invalidated)) == len(provider.invalidated)
    assert provider.access_token() == f"access-token-{len(provider.invalidated) + 1}"


def test_the_real_one_is_what_the_protocol_says(provider: svidex.Provider) -> None:
    assert isinstance(provider, svidex.TokenProvider)
    stand_in: svidex.TokenProvider = provider
    assert stand_in.access_token() == provider.access_token()


def test_the_default_provider_is_one_for_threads_and_children(emulator: OwnEmulator) -> None:
    assert run("default_provider.py", emulator) == "one provider, one fetch\n"
