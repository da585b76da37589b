"""Waiting for a token in an event loop.

The core answers on a thread of its own, which never touches the interpreter: it
leaves the answer in a mailbox and writes a byte to a socket that the loop
watches. A loop has a mailbox only while calls are pending in it, so an idle
provider leaves nothing behind in a loop, and a forked child inherits nothing
that it could trip over. Any loop with `add_reader` will do: asyncio's, uvloop's;
in trio each call has a mailbox of its own.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING
from weakref import ReferenceType, WeakKeyDictionary, ref

from . import _svidex
from ._errors import InvalidConfigError

if TYPE_CHECKING:
    from ._svidex import TokenKind


class _NoEventLoopError(InvalidConfigError, RuntimeError):
    """Also what asyncio raises where no loop runs."""

    __module__ = "svidex"
    __qualname__ = "InvalidConfigError"


class _Desk:
    """The calls that are pending in one event loop of one process."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.pid = os.getpid()
        self.mailbox = _svidex.Mailbox()
        self._pending: dict[int, asyncio.Future[str]] = {}
        # The loop alone holds the desk: a loop that is closed lets go of it.
        loop.add_reader(self.mailbox.fileno(), self._deliver)

    async def ask(
        self,
        provider: _svidex.Provider,
        kind: TokenKind,
        timeout: float | None,
        loop: asyncio.AbstractEventLoop,
    ) -> str:
        operation = future = None
        try:
            operation = provider._start(kind, self.mailbox, timeout)
            future = self._pending[operation.ticket] = loop.create_future()
            token = await future
        finally:
            # An error has this frame, which has the future, which has the error: the
            # mailbox's descriptors would wait for the garbage collector.
            future = None
            if operation is not None:
                del self._pending[operation.ticket]
                # Nothing to a call that has ended, but this task may have been cancelled.
                operation.cancel()
            if not self._pending:
                self._close(loop)
        # The string that everyone else has, rather than one more copy.
        return provider._cached(kind) or token

    def _deliver(self) -> None:
        for ticket, answer in self.mailbox.collect():
            future = self._pending.get(ticket)
            if future is None or future.done():
                continue
            if isinstance(answer, str):
                future.set_result(answer)
            else:
                future.set_exception(answer)

    def _close(self, loop: asyncio.AbstractEventLoop) -> None:
        if _desk_of(loop) is self:
            del _desks[loop]
        # Only an abandoned call gets here in another process, or after the loop.
        if self.pid == os.getpid() and not loop.is_closed():
            loop.remove_reader(self.mailbox.fileno())
        # The traceback of an error refers to this desk, and may stand in a cycle.
        del self.mailbox


# Weak on both sides: what is pending in a desk refers to tasks, and those to their
# loop. One that is closed over them would otherwise keep itself here.
_desks: WeakKeyDictionary[asyncio.AbstractEventLoop, ReferenceType[_Desk]] = WeakKeyDictionary()


def _desk_of(loop: asyncio.AbstractEventLoop) -> _Desk | None:
    found = _desks.get(loop)
    return found() if found is not None else None


async def wait_for_token(
    provider: _svidex.Provider, kind: TokenKind, timeout: float | None
) -> str:
    """Asks for a token and suspends the task until it is there.

    Cancelling the task cancels the call, and nothing else that is going on.
    """
    if in_trio():
        return await _wait_in_trio(provider, kind, timeout)
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise _NoEventLoopError(
            "no running event loop that svidex can wait in: it knows asyncio's kind and trio; "
            "elsewhere call access_token() or get_token(), in a thread if need be"
        ) from None
    desk = _desk_of(loop)
    if desk is None or desk.pid != os.getpid():
        desk = _Desk(loop)
        _desks[loop] = ref(desk)
    return await desk.ask(provider, kind, timeout, loop)


def in_trio() -> bool:
    # Looked up, not imported: a program that runs in trio has imported it.
    lowlevel = sys.modules.get("trio.lowlevel")
    if lowlevel is None:
        return False
    try:
        # One may run inside the other; the one whose task this is counts.
        if asyncio.current_task() is not None:
            return False
    except RuntimeError:
        pass
    try:
        lowlevel.current_task()
    except RuntimeError:
        return False
    return True


async def _wait_in_trio(
    provider: _svidex.Provider, kind: TokenKind, timeout: float | None
) -> str:
    lowlevel = sys.modules["trio.lowlevel"]
    mailbox = _svidex.Mailbox()
    operation = provider._start(kind, mailbox, timeout)
    try:
        while True:
            await lowlevel.wait_readable(mailbox.fileno())
            for _, answer in mailbox.collect():
                if isinstance(answer, str):
                    return provider._cached(kind) or answer
                raise answer
    finally:
        operation.cancel()
