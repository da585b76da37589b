"""Waits for a first token in one greenlet, while others go on.

usage: greenlets.py gevent|gevent-patched|eventlet|eventlet-patched
"""

import sys

library, *patched = sys.argv[1].split("-")
if library == "gevent":
    import gevent  # type: ignore[import-untyped]

    if patched:
        from gevent import monkey

        monkey.patch_all()
    spawn, sleep, Timeout = gevent.spawn, gevent.sleep, gevent.Timeout
    join = gevent.Greenlet.join
else:
    import warnings

    # It says that it is in maintenance.
    warnings.simplefilter("ignore")
    import eventlet  # type: ignore[import-untyped]

    if patched:
        eventlet.monkey_patch()
    spawn, sleep, Timeout = eventlet.spawn, eventlet.sleep, eventlet.Timeout
    join = eventlet.greenthread.GreenThread.wait

import svidex  # noqa: E402 (after the patches)
from emulator import from_environment  # noqa: E402

emulator = from_environment()
provider = svidex.Provider.from_env(call_timeout_seconds=60)
got: list[str] = []
waiting = spawn(lambda: got.append(provider.access_token()))
turns = 0
while emulator.counters()["fetch_jwt_svid"] == 0 and turns < 1_000:
    turns += 1
    sleep(0.01)
for _ in range(10):
    turns += 1
    sleep(0.001)
assert not got
# One that is given up in the middle takes nothing with it.
try:
    with Timeout(0.05):
        provider.access_token()
except Timeout:
    pass
emulator.release("workload_api")
join(waiting)
assert got == [provider.access_token()]
assert turns >= 10
print("others ran while it waited")
