"""How large what we ship is, as built; and the libraries without their symbol tables.

Run from the repository's root; prints one JSON line for each file.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

FILES = {
    "wheel": "target/wheels/svidex-*.whl",
    "node": "bindings/node/npm/*/svidex.*.node",
    "so": "target/ffi/libsvidex.so",
    "a": "target/ffi/libsvidex.a",
}


def stripped_size(path: Path) -> int:
    """What `strip` leaves: of an archive, all that a program needs to link it."""
    how = "--strip-debug" if path.suffix == ".a" else "--strip-all"
    with tempfile.NamedTemporaryFile() as copy:
        subprocess.run(["strip", how, "-o", copy.name, path], check=True)
        return Path(copy.name).stat().st_size


def main() -> None:
    for name, pattern in FILES.items():
        newest = max(Path().glob(pattern), key=lambda path: path.stat().st_mtime, default=None)
        if newest is None:
            raise SystemExit(f"there is no {pattern}: run `make bench`, which builds it")
        sizes = {"": newest.stat().st_size}
        if newest.suffix != ".whl":
            sizes[".stripped"] = stripped_size(newest)
        for suffix, size in sizes.items():
            print(
                json.dumps({"id": f"size.{name}{suffix}", "unit": "bytes", "samples": [size]})
            )


main()
