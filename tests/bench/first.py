"""The first JWT-SVID of a new process: how long it takes, and how much memory.

usage: first.py svidex|py_spiffe      one process; prints its own figures (ns, bytes)
"""

import sys
import time


def resident_bytes() -> int:
    """Memory of this process that is in RAM (proc(5), statm)."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096


before = resident_bytes()
began = time.perf_counter()
if sys.argv[1] == "svidex":
    import svidex

    token = svidex.Provider.from_env().get_token()
else:
    from spiffe import WorkloadApiClient

    token = WorkloadApiClient().fetch_jwt_svid({"https://api.openai.com/v1"}).token
seconds = time.perf_counter() - began
grown = resident_bytes() - before
if not token:
    sys.exit("no token")
print(f"inside={seconds * 1e9} grown={grown}")
