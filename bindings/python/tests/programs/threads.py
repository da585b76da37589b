"""Many threads read the same providers, while tokens are refused and renewed, children are
forked and all is closed; ends with 0 when nobody got a token that was gone by then."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import svidex
from children import fork, join
from emulator import from_environment

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = bool(os.environ.get("SVIDEX_LONG"))
READERS = 8
# An access token that is dropped is replaced at once, and the next one after 30 s only.
PROVIDERS = 8
RENEWALS = 400 if LONG else 80
FORK_EVERY = 20
# Half of it is what the background waits for, each time.
SHORT_LIFE_SECONDS = 10
ROTATIONS = 5 if LONG else 1

emulator = from_environment()
providers = [svidex.Provider.from_env() for _ in range(PROVIDERS)]

# The latest that were dropped, as a value: a reader takes it before it reads. No set or
# dictionary: without a GIL those have locks, which a child may inherit locked.
gone: tuple[str, ...] = ()
closed = threading.Event()
failures: list[BaseException] = []
# Each string that was handed out, by its identity. Equal ones may be several objects.
subjects: dict[int, str] = {}
accesses: dict[int, str] = {}


def read(get: Callable[[], str], handed_out: dict[int, str]) -> None:
    before, was_closed = gone, closed.is_set()
    token = get()
    assert not was_closed, "a closed provider gave a token"
    assert token not in before, "a dropped token was handed out"
    handed_out[id(token)] = token


def reader() -> None:
    try:
        while True:
            for provider in providers:
                read(provider.get_token, subjects)
                read(provider.access_token, accesses)
    except svidex.ClosedError:
        pass
    except BaseException as error:
        failures.append(error)


def drop(provider: svidex.Provider, get: Callable[[], str]) -> None:
    global gone
    token = get()
    provider.invalidate(token)
    gone = (*gone[-PROVIDERS * 2 :], token)


def child() -> None:
    for provider in providers:
        assert provider.get_token() not in gone
        assert provider.access_token() not in gone
    drop(providers[0], providers[0].get_token)
    assert providers[0].get_token() not in gone
    assert svidex.Provider.from_env().access_token()


def refused() -> None:
    """Somebody drops what the others read."""
    for renewal in range(RENEWALS):
        provider = providers[renewal % PROVIDERS]
        drop(provider, provider.get_token)
        if renewal < PROVIDERS:
            drop(provider, provider.access_token)
        if renewal % FORK_EVERY == 0:
            join(fork(child))


def renewed() -> None:
    """Nobody drops anything: the background replaces what is due."""
    emulator.settings(svid_ttl_seconds=SHORT_LIFE_SECONDS)
    first = providers[0]
    drop(first, first.get_token)
    first.get_token()
    wanted = first.status().fetches + ROTATIONS
    while first.status().fetches < wanted and not failures:
        join(fork(child))


def only_ours(handed_out: dict[int, str]) -> bool:
    """Nobody but that dictionary has the strings."""
    token = "".join(["a", "string"])
    handed_out[id(token)] = token
    alone = sys.getrefcount(handed_out[id(token)]) - 1
    del token
    return all(sys.getrefcount(handed_out[key]) <= alone for key in list(handed_out))


# Every fetch gives another token, so that one can be told from the next.
emulator.settings(svid_repeat=False)
threads = [threading.Thread(target=reader, daemon=True) for _ in range(READERS)]
for thread in threads:
    thread.start()
refused()
renewed()
for provider in providers:
    provider.close()
closed.set()
for thread in threads:
    thread.join()
assert not failures, failures

counters = emulator.counters()
assert len(set(subjects.values())) <= counters["fetch_jwt_svid"]
assert len(set(accesses.values())) <= counters["exchanges_ok"]
gone = ()
assert only_ours(subjects)
assert only_ours(accesses)
enabled = getattr(sys, "_is_gil_enabled", lambda: True)()
print(f"{len(subjects)} {len(accesses)} {'GIL' if enabled else 'no GIL'}")
