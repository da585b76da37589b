"""Warm reads in Python, beside what else can give a token and beside a call of nothing.

Every round measures each once, in turn; prints one JSON line for each. The environment
is the one that `svidex-emulator run` sets.

usage: bench.py ROUNDS
"""

from __future__ import annotations

import json
import os
import sys
import timeit

import openai

# Not exported by the SDK: the object that an `OpenAI(workload_identity=...)` asks for
# its access token before each request. Warm, that is its cache and nothing else.
from openai.auth._workload import WorkloadIdentityAuth
from spiffe import WorkloadApiClient
from svidex import Provider
from svidex._svidex import Mailbox

# So few that most rounds end before the kernel turns to somebody else.
WARM_CALLS = 1_000
GRPC_CALLS = 1


def main() -> None:
    rounds = int(sys.argv[1])
    info = json.loads(os.environ["SVIDEX_EMULATOR_INFO"])
    provider = Provider.from_env()
    sdk = WorkloadIdentityAuth(
        workload_identity=provider.workload_identity(),
        token_exchange_url=info["token_endpoint_http"],
    )
    agent = WorkloadApiClient()
    # The cheapest method that the native module has. It returns a number that it holds, and
    # costs what one that returns nothing costs, within 3 %: the way into Rust and back.
    mailbox = Mailbox()
    scope = {
        "provider": provider,
        "sdk": sdk,
        "agent": agent,
        "audience": {info["audience"]},
        "mailbox": mailbox,
    }
    measures = [
        ("read", "provider.get_token()", WARM_CALLS),
        ("read_access", "provider.access_token()", WARM_CALLS),
        ("noop", "mailbox.fileno()", WARM_CALLS),
        # What the loop itself costs: taken off all of the above.
        ("loop", "pass", WARM_CALLS),
        ("sdk", "sdk.get_token()", WARM_CALLS),
        ("py_spiffe", "agent.fetch_jwt_svid(audience).token", GRPC_CALLS),
    ]
    timers = [
        (name, timeit.Timer(code, globals=scope), calls) for name, code, calls in measures
    ]
    samples: dict[str, list[float]] = {name: [] for name, _, _ in measures}
    for _, timer, calls in timers:
        timer.timeit(calls)  # each now has its token
    for _ in range(rounds):
        for name, timer, calls in timers:
            timer.timeit(calls)  # what the one before left behind is gone by the end of this
            samples[name].append(timer.timeit(calls) / calls * 1e9)
    loop = samples.pop("loop")
    for name, values in samples.items():
        net = [value - empty for value, empty in zip(values, loop, strict=True)]
        print(json.dumps({"id": f"python.{name}", "unit": "ns", "samples": net}))
    print(
        json.dumps(
            {
                "id": "python.about",
                "text": f"{sys.version.split()[0]}, openai {openai.__version__}",
            }
        )
    )


main()
