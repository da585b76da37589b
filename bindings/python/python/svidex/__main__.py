"""The `svidex` command: `svidex`, or `python -m svidex`."""

from __future__ import annotations

import sys

from ._svidex import _command


def main() -> int:
    return _command(["svidex", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
