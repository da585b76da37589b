"""Catches a panic, and ends while other threads are in calls.

usage: ends.py there|"not there"      whether libgcc_s.so.1 can be loaded
"""

import contextlib
import ctypes
import sys
import threading

import svidex
from svidex import _svidex

THREADS = 8

try:
    ctypes.CDLL("libgcc_s.so.1")
    libgcc = "there"
except OSError:
    libgcc = "not there"
if sys.argv[1] != libgcc:
    sys.exit(f"libgcc_s.so.1 is {libgcc}")

with contextlib.suppress(svidex.InternalError):
    _svidex._panic()

provider = svidex.Provider(
    endpoint_socket="unix:///nonexistent/agent.sock",
    identity_provider_id="idp",
    service_account_id="account",
)
calling = threading.Barrier(THREADS + 1)


def call() -> None:
    calling.wait()
    while True:
        with contextlib.suppress(svidex.Error):
            provider.get_token(timeout=0.001)


# Without it glibc aborts where it would unwind a thread.
if libgcc == "there":
    for _ in range(THREADS):
        threading.Thread(target=call, daemon=True).start()
    calling.wait()
print("ends")
