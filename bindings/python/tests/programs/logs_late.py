"""Imports `logging` when it already has a token: records come from then on."""

import sys
from queue import SimpleQueue

import svidex
from emulator import from_environment

from_environment().settings(svid_repeat=False)
provider = svidex.Provider.from_env()
first = provider.get_token()
provider.status()
assert "logging" not in sys.modules


def listen() -> None:
    import logging

    kinds = SimpleQueue[str]()

    class Kinds(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kinds.put(vars(record)["svidex_kind"])

    logging.getLogger("svidex").addHandler(Kinds())
    logging.getLogger("svidex").setLevel(logging.DEBUG)

    provider.status()
    provider.invalidate(first)
    assert provider.get_token() != first
    assert kinds.get(timeout=20) == "subject_token_fetched"
    assert kinds.empty(), "what happened before is nobody's"


listen()
