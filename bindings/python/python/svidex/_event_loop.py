"""Waiting for a token in an event loop.

The core answers on a thread of its own, which never touches the interpreter: it
leaves the answer in a mailbox and writes a byte to a socket that the loop
watches. A loop has a mailbox only while calls are pending in it, so an idle
provider leaves nothing behind in a loop, and a forked child inherits nothing
that it could trip over. Any loop with `add_reader` will do: asyncio's, uvloop's.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from . import _svidex

if TYPE_CHECKING:
    from ._svidex import TokenKind


class _Desk:
    """The calls that are pending in one event loop of one process."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.pid = os.getpid()
        self.mailbox = _svidex.Mailbox()
        self._pending: dict[int, asyncio.Future[str]] = {}
        # The loop holds the desk now, and the desk holds no loop: no cycle.
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
        if _desks.get(loop) is self:
            del _desks[loop]
        # Only an abandoned call gets here in another process, or after the loop.
        if self.pid == os.getpid() and not loop.is_closed():
            loop.remove_reader(self.mailbox.fileno())


_desks: WeakKeyDictionary[asyncio.AbstractEventLoop, _Desk] = WeakKeyDictionary()


async def wait_for_token(
    provider: _svidex.Provider, kind: TokenKind, timeout: float | None
) -> str:
    """Asks for a token and suspends the task until it is there.

    Cancelling the task cancels the call, and nothing else that is going on.
    """
    loop = asyncio.get_running_loop()
    desk = _desks.get(loop)
    if desk is None or desk.pid != os.getpid():
        desk = _desks[loop] = _Desk(loop)
    return await desk.ask(provider, kind, timeout, loop)
