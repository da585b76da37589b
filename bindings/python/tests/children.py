"""Forked children of test programs.

One that hangs is killed by SIGALRM, which its parent then reports.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Ten times what acceptance line 1 gives a child.
CHILD_SECONDS = 20
# Python 3.12 and later warn of any fork with threads about.
warnings.simplefilter("ignore", DeprecationWarning)


def fork(child: Callable[[], object]) -> int:
    """The ID of a child that does this and ends."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.alarm(CHILD_SECONDS)
        child()
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def join(*pids: int) -> None:
    for pid in pids:
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status != 0:
            sys.exit(f"a child ended with {status}")
