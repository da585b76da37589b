"""What happens in the background, in the host's log."""

from __future__ import annotations

import gc
import logging
import os
import re
import subprocess
import sys
import threading
import time
import weakref
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest

import svidex
from test_processes import LONG, check_times, finish, start
from test_secrets import assert_absent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import MakeProvider
    from emulator import OwnEmulator

HANG_SECONDS = 30
LOGGER = logging.getLogger("svidex")


class Records(logging.Handler):
    """Keeps what the providers of one emulator say."""

    def __init__(self, emulator: OwnEmulator) -> None:
        super().__init__()
        self._source = f"workload_api {emulator.info['endpoint_socket']}"
        self._records: SimpleQueue[logging.LogRecord] = SimpleQueue()
        self.act: Callable[[logging.LogRecord], object] = lambda _: None

    def handle(self, record: logging.LogRecord) -> bool:
        # Not `emit`: that one runs under the handler's lock.
        if vars(record)["svidex_source"] == self._source:
            self._records.put(record)
            self.act(record)
        return True

    def next(self) -> logging.LogRecord:
        return self._records.get(timeout=HANG_SECONDS)

    def expect(self, level: int, kind: str) -> logging.LogRecord:
        record = self.next()
        assert (record.levelno, vars(record)["svidex_kind"]) == (level, kind), record.msg
        return record

    @property
    def none_left(self) -> bool:
        return self._records.empty()


@pytest.fixture
def records(emulator: OwnEmulator) -> Iterator[Records]:
    handler = Records(emulator)
    level = LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.DEBUG)
    yield handler
    LOGGER.setLevel(level)
    LOGGER.removeHandler(handler)


def test_a_failing_refresh_shows_before_callers_feel_it(
    make_provider: MakeProvider, emulator: OwnEmulator, records: Records
) -> None:
    emulator.settings(svid_ttl_seconds=6)
    provider = make_provider()
    token = provider.get_token()
    first = records.expect(logging.DEBUG, "subject_token_fetched")
    assert re.fullmatch(r"fetched a JWT-SVID: \d s left", first.getMessage())

    # The renewal is due after half of its life: that long it takes.
    emulator.fault("workload_api", grpc_code="Unavailable")
    failed = records.expect(logging.WARNING, "fetch_failed")
    left = re.search(r"the held token ends in (\d+) s", failed.getMessage())
    assert left is not None
    assert int(left[1]) >= 1
    assert vars(failed)["svidex_error_kind"] == "source_unavailable"
    assert vars(failed)["svidex_http_status"] is None
    assert provider.get_token() == token

    emulator.heal()
    while (recovered := records.next()).levelno == logging.WARNING:
        assert vars(recovered)["svidex_kind"] == "fetch_failed"
    assert recovered.levelno == logging.INFO
    assert "after failures" in recovered.getMessage()
    assert vars(recovered)["svidex_kind"] == "subject_token_fetched"
    assert vars(recovered)["svidex_error_kind"] is None


def test_a_record_has_the_time_of_its_event(
    provider: svidex.Provider, emulator: OwnEmulator, records: Records
) -> None:
    inside, leave = threading.Event(), threading.Event()

    def wait(_: logging.LogRecord) -> None:
        inside.set()
        leave.wait(HANG_SECONDS)

    records.act = wait
    provider.get_token()
    assert inside.wait(HANG_SECONDS)
    # Logged only when the handler is done with the record before.
    before = time.time()
    provider.access_token()
    after = time.time()
    # So that the two times differ.
    threading.Event().wait(0.1)
    leave.set()
    records.expect(logging.DEBUG, "subject_token_fetched")
    record = records.expect(logging.DEBUG, "access_token_exchanged")
    # The core's clock ticks with the kernel's timer, 100 to 1000 times a second.
    assert before - 0.02 <= record.created <= after
    assert record.msecs == pytest.approx(record.created % 1 * 1000, abs=1)
    another = logging.makeLogRecord({})
    since_import = another.created - another.relativeCreated / 1000
    assert record.created - record.relativeCreated / 1000 == pytest.approx(since_import)


def test_what_the_token_endpoint_said_is_in_attributes(
    make_provider: MakeProvider, emulator: OwnEmulator, records: Records
) -> None:
    emulator.fault("token_endpoint", oauth_error="access_denied")
    with pytest.raises(svidex.ExchangeRejectedError) as raised:
        make_provider().access_token()
    records.expect(logging.DEBUG, "subject_token_fetched")
    failed = records.expect(logging.ERROR, "exchange_failed")
    assert str(raised.value) in failed.getMessage()
    assert vars(failed)["svidex_error_kind"] == raised.value.kind
    assert vars(failed)["svidex_http_status"] == raised.value.http_status == 403
    assert vars(failed)["svidex_oauth_code"] == "access_denied"
    assert vars(failed)["svidex_audience"] == emulator.info["audience"]
    assert vars(failed)["svidex_dropped"] == 0
    assert failed.name == "svidex"


def test_no_record_has_a_token_in_it(
    provider: svidex.Provider, emulator: OwnEmulator, records: Records
) -> None:
    subject, access = provider.get_token(), provider.access_token()
    emulator.fault(
        "token_endpoint",
        status=400,
        body=f'{{"error": "{access}", "error_description": "what is this: {subject}?"}}',
    )
    provider.invalidate(access)
    with pytest.raises(svidex.ExchangeRejectedError):
        provider.access_token()
    shown = ""
    for level, kind in (
        (logging.DEBUG, "subject_token_fetched"),
        (logging.DEBUG, "access_token_exchanged"),
        (logging.ERROR, "exchange_failed"),
    ):
        shown += repr(vars(records.expect(level, kind)))
    assert_absent(shown, subject, access)


def test_renewals_do_not_wait_for_a_handler(
    provider: svidex.Provider, emulator: OwnEmulator, records: Records
) -> None:
    emulator.settings(svid_repeat=False)
    inside, leave, ended = SimpleQueue[str](), threading.Event(), threading.Event()

    def use_the_provider(_: logging.LogRecord) -> None:
        records.act = lambda _: None
        inside.put(provider.access_token())
        leave.wait(HANG_SECONDS)
        provider.close()
        ended.set()

    records.act = use_the_provider
    subject = provider.get_token()
    assert inside.get(timeout=HANG_SECONDS) == provider.access_token()
    # It blocks still, and nobody minds.
    provider.invalidate(subject)
    assert provider.get_token() != subject
    leave.set()
    assert ended.wait(HANG_SECONDS)
    with pytest.raises(svidex.ClosedError):
        provider.get_token()


def test_a_handler_that_falls_behind_loses_events_and_says_how_many(
    make_provider: MakeProvider, records: Records
) -> None:
    inside, leave = threading.Event(), threading.Event()

    def wait(_: logging.LogRecord) -> None:
        inside.set()
        leave.wait(HANG_SECONDS)

    records.act = wait
    make_provider().get_token()
    assert inside.wait(HANG_SECONDS)
    for _ in range(64 + 6):
        make_provider().get_token()
    leave.set()
    kept = [records.next() for _ in range(1 + 64)]
    assert {vars(record)["svidex_dropped"] for record in kept} == {0}
    make_provider().get_token()
    assert vars(records.next())["svidex_dropped"] == 6
    assert records.none_left


def test_a_handler_that_raises_is_reported_and_the_next_record_comes(
    provider: svidex.Provider,
    emulator: OwnEmulator,
    records: Records,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    emulator.settings(svid_repeat=False)
    reported = SimpleQueue[BaseException | None]()
    monkeypatch.setattr(threading, "excepthook", lambda args: reported.put(args.exc_value))

    def fail(record: logging.LogRecord) -> None:
        raise LookupError(vars(record)["svidex_kind"])

    records.act = fail
    provider.access_token()
    for kind in ("subject_token_fetched", "access_token_exchanged"):
        error = reported.get(timeout=HANG_SECONDS)
        assert isinstance(error, LookupError)
        assert error.args == (kind,)
        records.expect(logging.DEBUG, kind)


def test_providers_come_and_go(
    make_provider: MakeProvider, emulator: OwnEmulator, records: Records
) -> None:
    def use_one() -> weakref.ref[svidex.Provider]:
        provider = svidex.Provider(**emulator.options)
        provider.get_token()
        records.expect(logging.DEBUG, "subject_token_fetched")
        return weakref.ref(provider)

    def held() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

    use_one()
    before = held()
    gone = [use_one() for _ in range(50)]
    gc.collect()
    assert {provider() for provider in gone} == {None}
    # A connection may still be on its way to being closed, and pools of threads differ.
    assert max(held()[0] - before[0], held()[1] - before[1]) <= 10
    serving = [thread for thread in threading.enumerate() if thread.name == "svidex-logging"]
    assert len(serving) == 1
    assert serving[0].daemon


@pytest.mark.parametrize("how", ["forks", "forks while handling", "closed", "at once"])
def test_in_a_process_of_its_own(emulator: OwnEmulator, how: str) -> None:
    finish(start(emulator, "logs", how))


def test_no_record_is_in_the_context_of_a_caller(emulator: OwnEmulator) -> None:
    """Threads inherit it without a GIL, or where the interpreter is told so."""
    options = ["-Xthread_inherit_context=1"] if sys.version_info >= (3, 14) else []
    finish(start(emulator, "logs", "in a context", options=options))


def test_a_debugger_takes_no_records_away(emulator: OwnEmulator) -> None:
    assert finish(start(emulator, "logs", "debugged")) == ""


def test_where_greenlets_are_the_threads_none_is_started(emulator: OwnEmulator) -> None:
    assert finish(start(emulator, "logs", "greenlets")) == ""


def test_logging_may_be_imported_late(emulator: OwnEmulator) -> None:
    finish(start(emulator, "logs_late"))


def test_nothing_is_imported_for_it(emulator: OwnEmulator) -> None:
    code = """
import sys, svidex
provider = svidex.Provider.from_env()
provider.access_token()
assert not {"logging", "threading", "svidex._logging"} & set(sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", code], env=emulator.environment)
    assert ran.returncode == 0


def test_where_nothing_is_configured_nothing_is_printed(emulator: OwnEmulator) -> None:
    assert finish(start(emulator, "logs", "unconfigured")) == ""


def test_where_it_is_configured_it_is_printed(emulator: OwnEmulator) -> None:
    printed = finish(start(emulator, "logs", "configured"))
    [line] = printed.splitlines()
    assert re.match(r"ERROR:svidex:.*\(exchange_failed invalid_client 401\)$", line)


@pytest.mark.parametrize("how", ["exits while printing", "exits while blocked"])
def test_an_exit_does_not_wait_for_handlers(emulator: OwnEmulator, how: str) -> None:
    emulator.settings(svid_repeat=False)
    took = []
    for _ in range(25 if LONG else 5):
        printed = finish(start(emulator, "logs", how))
        about_to_end = float(re.findall(r"ends at (\d+\.\d+)", printed)[-1])
        took.append(time.monotonic() - about_to_end)
    check_times(took, 0.3)
