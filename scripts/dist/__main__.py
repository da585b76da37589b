"""Builds what a release publishes into dist/.

usage: scripts/dist [--only TARGET …]
       scripts/dist --join FOLDER …     one dist/ of those that several machines made
       scripts/dist --check TARGET …    only whether it would compile
       scripts/dist --table             what is in dist/, and what proves it

A target is a name such as linux-arm64-musl, or `native`; without --only it is all of
them. What has not changed is not compiled again.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import time
from pathlib import Path

import clibrary
import crates
import go_modules
import npm_packages
import python_packages
from archives import Entry, file, write_tar_gz
from compile import BUILT, DIST, ROOT, check_for, compile_for, together
from contents import print_table
from targets import TARGETS, Target, named


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/dist", usage=__doc__)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--join", nargs="+", default=[], type=Path)
    parser.add_argument("--check", nargs="+", default=[])
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if arguments.table:
        print_table(DIST)
        return
    if arguments.check:
        for group in together(named(arguments.check)):
            check_for(group)
        return
    shutil.rmtree(DIST, ignore_errors=True)
    if arguments.join:
        join(arguments.join)
    else:
        build(named(arguments.only) or TARGETS)
    sums()


def build(wanted: list[Target]) -> None:
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"[{time.monotonic() - began:4.0f} s] {what}", flush=True)

    made: dict[str, list[Path]] = {"python": [], "npm": [], "c": [], "command": []}
    libraries = {}
    for group in together(wanted):
        say("for " + ", ".join(target.npm for target in group))
        for target, compiled in compile_for(group).items():
            library = clibrary.library_for(target, compiled)
            libraries[target] = library
            made["python"] += python_packages.wheels(target, compiled)
            made["npm"].append(npm_packages.platform_package(target, compiled))
            made["c"].append(clibrary.tarball(target, library))
            if target.is_stand_alone:
                made["command"].append(command(target, compiled.command))
    say("for all targets: npm package, Go modules, sources, notices")
    made["npm"].append(npm_packages.main_package())
    made["python"].append(python_packages.source_distribution())
    made["crates"] = crates.packages()
    made[""] = [
        crates.bill_of_materials(),
        crates.third_party_notices(),
        ROOT / "LICENSE",
    ]
    for folder, paths in made.items():
        (DIST / folder).mkdir(parents=True, exist_ok=True)
        for path in paths:
            shutil.copy(path, DIST / folder / path.name)
    shutil.copytree(go_modules.modules(libraries), DIST / "go")
    say(f"all of it is in {DIST.relative_to(ROOT)}/")


def join(parts: list[Path]) -> None:
    """What is the same for all targets comes from the first part; only the Go module has
    something of each in one file."""
    for part in parts:
        for path in sorted(part.rglob("*")):
            into = DIST / path.relative_to(part)
            if path.is_file() and not into.exists():
                into.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, into)
    for module in DIST.glob("go/**/*.zip"):
        go_modules.join([part / module.relative_to(DIST) for part in parts], module)


def command(target: Target, program: Path) -> Path:
    top = f"svidex-{crates.version()}-{target.npm.removesuffix('-musl')}"
    entries = [
        Entry(f"{top}/svidex", program.read_bytes(), executable=True),
        file(f"{top}/README.md", ROOT / "bindings/cli/README.md"),
        *(Entry(f"{top}/{e.name}", e.content) for e in clibrary.licenses()),
    ]
    return write_tar_gz(BUILT / f"{top}.tar.gz", entries)


def sums() -> None:
    lines = []
    for path in sorted(path for path in DIST.rglob("*") if path.is_file()):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        lines.append(f"{digest}  {path.relative_to(DIST)}\n")
    (DIST / "SHA256SUMS").write_text("".join(lines))


if __name__ == "__main__":
    os.umask(0o022)
    main()
