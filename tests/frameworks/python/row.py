"""Puts one framework at the disposal of run.py: see there for what it is asked.

usage: row.py ROW        (the emulator is described by SVIDEX_EMULATOR_INFO)
"""

from __future__ import annotations

import json
import logging
import os
import sys

import rows

import svidex
from svidex import _default

# What the frameworks print is not an answer.
answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)
logging.disable()


def chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def main(row: str) -> None:
    ask = None
    for line in sys.stdin:
        word, _, times = line.strip().partition(" ")
        try:
            if word == "begin":
                # Rows without a provider of their own use the process's.
                _default._made.clear()
                ask, answer = getattr(rows, row)(), ""
            else:
                assert ask is not None
                for _ in range(int(times or 1)):
                    answer = ask()
            said: dict[str, object] = {"answer": answer}
        except Exception as error:
            ours = any(isinstance(cause, svidex.Error) for cause in chain(error))
            said = {"error": type(error).__name__, "ours": ours, "message": str(error)[:500]}
        answers.write(f"{json.dumps(said)}\n")


main(sys.argv[1])
