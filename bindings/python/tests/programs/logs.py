"""Has svidex log to it, in one of several ways; ends with 0 when all is well."""

from __future__ import annotations

import _thread
import logging
import os
import sys
import tempfile
import threading
import time
from contextlib import suppress
from contextvars import ContextVar
from queue import SimpleQueue

import svidex
from children import fork, join
from emulator import from_environment

emulator = from_environment()
SECONDS = 20


class Kinds(logging.Handler):
    """Keeps which process saw what."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.seen = SimpleQueue[tuple[int, str, str]]()
        logger = logging.getLogger("svidex")
        logger.setLevel(logging.DEBUG)
        logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.put((os.getpid(), record.levelname, vars(record)["svidex_kind"]))

    def expect(self, level: str, kind: str) -> None:
        seen = self.seen.get(timeout=SECONDS)
        assert seen == (os.getpid(), level, kind), seen


def renew(provider: svidex.Provider) -> None:
    provider.invalidate(provider.get_token())
    provider.get_token()


def forks() -> None:
    """Each process hears of its own, and of nothing else."""
    kinds = Kinds()
    provider = svidex.Provider.from_env()
    provider.get_token()
    kinds.expect("DEBUG", "subject_token_fetched")

    def grandchild() -> None:
        renew(provider)
        kinds.expect("DEBUG", "subject_token_fetched")

    def child() -> None:
        emulator.settings(svid_ttl_seconds=4)
        renew(provider)
        kinds.expect("DEBUG", "subject_token_fetched")
        # The next renewal is due after half of its life: that long it takes.
        emulator.fault("workload_api", grpc_code="Unavailable", times=1)
        kinds.expect("WARNING", "fetch_failed")
        kinds.expect("INFO", "subject_token_fetched")
        emulator.settings(svid_ttl_seconds=300)
        renew(provider)
        kinds.expect("DEBUG", "subject_token_fetched")
        join(fork(grandchild))

    join(fork(child))
    assert kinds.seen.empty(), "that was the child's"
    renew(provider)
    kinds.expect("DEBUG", "subject_token_fetched")


def debugged() -> None:
    """Debuggers wrap what starts a thread, to be told of each."""
    start = _thread.start_new_thread

    def told(*arguments: object) -> int:
        return start(*arguments)  # type: ignore[call-overload, no-any-return]

    _thread.start_new_thread = told
    # Where threading has it from (Python 3.13 has another way).
    threading._start_new_thread = told  # type: ignore[attr-defined]
    kinds = Kinds()
    svidex.Provider.from_env().get_token()
    kinds.expect("DEBUG", "subject_token_fetched")


def greenlets() -> None:
    """What replaces threads replaces what tells them apart."""
    ident = _thread.get_ident
    _thread.get_ident = lambda: ident()
    kinds = Kinds()
    svidex.Provider.from_env().get_token()
    names = [thread.name for thread in threading.enumerate()]
    assert "svidex-logging" not in names, names
    assert kinds.seen.empty()


def forks_while_handling() -> None:
    """A handler that is at work, or stuck, when its process forks."""
    kinds = Kinds()
    provider = svidex.Provider.from_env()
    inside, leave = threading.Event(), threading.Event()

    class Stuck(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            if os.getpid() == parent:
                inside.set()
                leave.wait(SECONDS)

    parent = os.getpid()
    stuck = Stuck()
    logging.getLogger("svidex").addHandler(stuck)
    provider.get_token()
    kinds.expect("DEBUG", "subject_token_fetched")
    assert inside.wait(SECONDS)

    def child() -> None:
        renew(provider)
        kinds.expect("DEBUG", "subject_token_fetched")

    for _ in range(5):
        join(fork(child))
    leave.set()
    renew(provider)
    kinds.expect("DEBUG", "subject_token_fetched")
    # Now with one that is often at work, for a moment.
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            renew(provider)

    worker = threading.Thread(target=work)
    worker.start()
    for _ in range(20):
        join(fork(lambda: svidex.Provider.from_env().get_token()))
    done.set()
    worker.join()


def closed() -> None:
    """A child that becomes a daemon closes all descriptors, and opens files."""
    kinds = Kinds()
    provider = svidex.Provider.from_env()
    provider.get_token()
    kinds.expect("DEBUG", "subject_token_fetched")

    def child() -> None:
        os.closerange(3, 256)
        files = [tempfile.TemporaryFile() for _ in range(50)]  # noqa: SIM115 (ends with us)
        # What happens before the log notices is lost.
        while kinds.seen.empty():
            renew(provider)
        kinds.expect("DEBUG", "subject_token_fetched")
        for file in files:
            assert file.seek(0, os.SEEK_END) == 0, "we wrote to somebody's file"

    join(fork(child))
    renew(provider)
    kinds.expect("DEBUG", "subject_token_fetched")


def in_a_context() -> None:
    """What the first caller's context has in it is that caller's alone."""
    request = ContextVar("request", default="none")
    seen = SimpleQueue[str]()

    class Asks(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            seen.put(request.get())

    logging.getLogger("svidex").addHandler(Asks())
    logging.getLogger("svidex").setLevel(logging.DEBUG)
    request.set("the first caller's")
    svidex.Provider.from_env().get_token()
    assert seen.get(timeout=SECONDS) == "none"


def at_once() -> None:
    """Threads that all come first have one log, and one thread that reads it."""
    kinds = Kinds()
    barrier = threading.Barrier(8)

    def come() -> None:
        barrier.wait()
        svidex.Provider.from_env().get_token()

    threads = [threading.Thread(target=come) for _ in range(barrier.parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
        kinds.expect("DEBUG", "subject_token_fetched")
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("svidex-logging") == 1, names


def fail_once() -> None:
    emulator.fault("token_endpoint", status=401, oauth_error="invalid_client")
    with suppress(svidex.ExchangeRejectedError):
        svidex.Provider.from_env().access_token()


def configured() -> None:
    logging.basicConfig(
        stream=sys.stdout,
        format=f"{logging.BASIC_FORMAT} "
        "(%(svidex_kind)s %(svidex_oauth_code)s %(svidex_http_status)s)",
    )
    fail_once()


def about_to_end() -> None:
    # In one write: others are at it.
    sys.stdout.write(f"ends at {time.monotonic()}\n")
    sys.stdout.flush()


def exits_while_printing() -> None:
    """Many records, each of which holds the lock of stdout for a while."""
    logging.basicConfig(stream=sys.stdout, level=logging.DEBUG)
    enough = threading.Event()

    def work() -> None:
        for count in range(1_000_000):
            # Quicker than renewals of one that there is.
            svidex.Provider.from_env().get_token()
            if count == 20:
                enough.set()

    for _ in range(2):
        threading.Thread(target=work, daemon=True).start()
    enough.wait(SECONDS)
    about_to_end()


def exits_while_blocked() -> None:
    inside = threading.Event()

    class Stuck(logging.Handler):
        # Not `emit`: for its lock, logging itself waits.
        def handle(self, _: logging.LogRecord) -> bool:
            inside.set()
            return threading.Event().wait()

    logging.getLogger("svidex").addHandler(Stuck())
    logging.getLogger("svidex").setLevel(logging.DEBUG)
    svidex.Provider.from_env().get_token()
    inside.wait(SECONDS)
    about_to_end()


emulator.settings(svid_repeat=False)
{
    "forks": forks,
    "forks while handling": forks_while_handling,
    "debugged": debugged,
    "greenlets": greenlets,
    "closed": closed,
    "in a context": in_a_context,
    "at once": at_once,
    "unconfigured": fail_once,
    "configured": configured,
    "exits while printing": exits_while_printing,
    "exits while blocked": exits_while_blocked,
}[sys.argv[1]]()
