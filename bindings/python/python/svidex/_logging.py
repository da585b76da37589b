"""What happens in the background, told to `logging.getLogger("svidex")`.

Imported when the program has imported `logging`, not before. One daemon thread of
each process takes the events of all its providers from the native log, and blocks
in a plain `os.read` while there are none: no thread of the core's ever comes here,
and no handler ever holds up a renewal.
"""

from __future__ import annotations

import _thread
import atexit
import logging
import os
import sys
import threading
from contextvars import Context
from types import BuiltinFunctionType

from ._svidex import Event, EventLog

# How long a fork or an exit waits for a handler that is at work. In its middle it
# may hold a lock that the child would inherit locked, or that the end of the
# interpreter insists on (the one of sys.stderr).
_PATIENCE_SECONDS = 0.1

_logger = logging.getLogger("svidex")
# Where logging is not configured, nothing is printed.
_logger.addHandler(logging.NullHandler())

_log: EventLog | None = None


def listen() -> None:
    """Starts this process's thread, if it has none. Fails silently: see the next call."""
    global _log
    if type(_thread.get_ident) is not BuiltinFunctionType:
        # Greenlets in place of threads (gevent, eventlet): a read that blocks would stop
        # them all. (That threads are started in a way of somebody's own says nothing:
        # debuggers want to know of each, and wrap what starts them.)
        return
    try:
        log = EventLog()
    except OSError:  # No descriptors are left.
        return
    if log.claim():
        _log = log
        try:
            # Not in the caller's context, which threads of free-threaded builds inherit:
            # it would be kept for good, and be taken for that of each record.
            Context().run(
                threading.Thread(
                    target=_serve, args=(log,), name="svidex-logging", daemon=True
                ).start
            )
        except RuntimeError:  # No thread is to be had, or the interpreter ends.
            _log = None
            log.unclaim()


def _serve(log: EventLog) -> None:
    # In a child that a handler forked, this is the main thread, and serves no more.
    while log is _log:
        if not _woken(log):
            _start_anew()
            return
        while log is _log and (event := log.take()) is not None:
            try:
                _tell(event)
            except BaseException:
                # The host's, and the only way to tell; the thread goes on.
                args = (*sys.exc_info(), threading.current_thread())
                threading.excepthook(threading.ExceptHookArgs(args))
                del args
            # Nothing of it while there is nothing to do.
            del event


def _woken(log: EventLog) -> bool:
    """Blocks until there is something to take; false if the descriptors were closed."""
    descriptor = log.fileno()
    try:
        return descriptor is not None and os.read(descriptor, 64) != b""
    except OSError:
        return False


def _start_anew() -> None:
    global _log
    _log = None
    EventLog.forget()
    listen()


def _tell(event: Event) -> None:
    if not _logger.isEnabledFor(event.level):
        return
    extra = {
        "svidex_kind": event.kind,
        "svidex_error_kind": event.error_kind,
        "svidex_http_status": event.http_status,
        "svidex_oauth_code": event.oauth_code,
        "svidex_source": event.source,
        "svidex_audience": event.audience,
        "svidex_dropped": event.dropped,
    }
    record = _logger.makeRecord(
        _logger.name, event.level, __file__, 0, event.message, (), None, extra=extra
    )
    # Of the event, rather than of the record that is made of it.
    at = event.at_unix_ms / 1000
    record.relativeCreated += (at - record.created) * 1000
    record.created, record.msecs = at, float(event.at_unix_ms % 1000)
    _logger.handle(record)


def _before_fork() -> None:
    if _log is not None:
        _log.pause(_PATIENCE_SECONDS)


def _in_parent() -> None:
    if _log is not None:
        _log.resume()


def _in_child() -> None:
    # Not on the next call: a child with warm reads alone makes none that gets there.
    _start_anew()


def _at_exit() -> None:
    if _log is not None:
        _log.finish(_PATIENCE_SECONDS)


os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
# Before logging's own, which closes the handlers: the last one registered comes first.
atexit.register(_at_exit)
