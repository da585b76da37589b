"""The Go modules, as a module proxy serves them, with the static libraries inside."""

from __future__ import annotations

import json
import subprocess
import zipfile
from typing import TYPE_CHECKING

import archives
import crates
from clibrary import HEADER, CLibrary, licenses
from compile import BUILT, ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from targets import Target

MODULES = [ROOT / "bindings/go", ROOT / "bindings/go/svidexopenai"]
DATE = "1980-01-01T00:00:00Z"


def modules(libraries: dict[Target, CLibrary]) -> Path:
    """A folder that is a module proxy: GOPROXY=file://FOLDER."""
    for module in MODULES:
        entries = _sources(module)
        if module == MODULES[0]:
            for target, library in libraries.items():
                folder = f"lib/{target.go}"
                entries.append(archives.file(f"{folder}/libsvidex.a", library.static))
                entries.append(archives.file(f"{folder}/svidex.h", HEADER))
            entries += licenses()
        else:
            entries.append(archives.file("LICENSE", ROOT / "LICENSE"))
        _write(module, entries)
    return BUILT / "go"


def _sources(module: Path) -> list[archives.Entry]:
    """What the repository has of the module: not what was built in it, nor the modules
    below it."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=module,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    nested = [other for other in MODULES if other != module and module in other.parents]
    files = [module / name for name in sorted(listed.split("\0")) if name]
    return [
        archives.file(str(path.relative_to(module)), path)
        for path in files
        if path.is_file() and not any(other in path.parents for other in nested)
    ]


def _write(module: Path, entries: list[archives.Entry]) -> None:
    definition = (module / "go.mod").read_text()
    path = definition.split(maxsplit=2)[1]
    version = f"v{crates.version()}"
    folder = BUILT / "go" / path / "@v"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "list").write_text(f"{version}\n")
    (folder / f"{version}.info").write_text(
        json.dumps({"Version": version, "Time": DATE}) + "\n"
    )
    (folder / f"{version}.mod").write_text(definition)
    prefix = f"{path}@{version}"
    archives.write_zip(
        folder / f"{version}.zip",
        [archives.Entry(f"{prefix}/{e.name}", e.content) for e in entries],
    )


def join(parts: list[Path], into: Path) -> None:
    """One module with what every part of it holds."""
    entries: dict[str, archives.Entry] = {}
    for part in parts:
        with zipfile.ZipFile(part) as opened:
            for name in opened.namelist():
                entries.setdefault(name, archives.Entry(name, opened.read(name)))
    archives.write_zip(into, [entries[name] for name in sorted(entries)])
