"""Blocks in a call until SIGINT, and says when KeyboardInterrupt came.

The test holds the fetch and sends the signal once that is in flight.
"""

import signal
import sys
import time

import svidex

# A job in the background of a shell, as a whole test run may be, ignores SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    svidex.Provider.from_env().get_token(timeout=10)
except KeyboardInterrupt:
    print(time.monotonic())
    sys.exit()
sys.exit("the call returned")
