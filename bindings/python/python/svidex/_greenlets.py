"""Waiting in greenlets: gevent's and eventlet's.

There one thread serves everybody, and a wait in native code would stop them all.
So the wait is for a descriptor, which both know how to wait for.
"""

from __future__ import annotations

import sys
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def current_hub() -> Callable[[int], object] | None:
    """What waits until a descriptor is readable, in a greenlet that may wait.

    None in a thread without a hub, where nobody else would run meanwhile, and in
    the hub itself, which must not wait.
    """
    return _gevent() or _eventlet()


def _gevent() -> Callable[[int], object] | None:
    if "gevent" not in sys.modules:
        return None
    gevent, sockets = import_module("gevent"), import_module("gevent.socket")
    hub = import_module("gevent._hub_local").get_hub_if_exists()
    if hub is None or gevent.getcurrent() is hub:
        return None
    wait_read: Callable[[int], object] = sockets.wait_read
    return wait_read


def _eventlet() -> Callable[[int], object] | None:
    hubs = sys.modules.get("eventlet.hubs")
    hub = getattr(getattr(hubs, "_threadlocal", None), "hub", None)
    if hubs is None or hub is None:
        return None
    if import_module("eventlet.greenthread").getcurrent() is hub.greenlet:
        return None

    def wait_read(descriptor: int) -> None:
        hubs.trampoline(descriptor, read=True)

    return wait_read
