"""Refuses to be imported in a subinterpreter.

The native half belongs to the interpreter that imported it first: in another one
its exceptions would be classes that nobody there can catch.
"""

from __future__ import annotations

import sys


def _is_main() -> bool:
    # The name of the module changed with Python 3.13. Neither is documented: where
    # there is none, there are no subinterpreters to speak of.
    name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    try:
        interpreters = __import__(name)
        current, main = interpreters.get_current(), interpreters.get_main()
    except (ImportError, AttributeError, RuntimeError):
        return True
    return bool(current == main)


if not _is_main():
    raise ImportError(
        "svidex works in the main interpreter of a process only, and this is a "
        "subinterpreter: give mod_wsgi `WSGIApplicationGroup %{GLOBAL}`, and uWSGI "
        "`single-interpreter = true`"
    )
