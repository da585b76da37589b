"""What goes into what we ship, from cargo's own account of it: third-party notices, the
software bill of materials, and our own crates."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tools
from compile import BUILT, PACKAGES, ROOT
from targets import TARGETS

PUBLISHED = ["svidex", "svidex-cli"]
LICENSE_FILE = re.compile(r"(LICEN[CS]E|COPYING|COPYRIGHT|NOTICE|UNLICENSE)", re.IGNORECASE)


@functools.cache
def manifest() -> dict[str, Any]:
    """What Cargo.toml says of all our packages."""
    packages = {package["name"]: package for package in _metadata("--no-deps")["packages"]}
    ours: dict[str, Any] = packages["svidex"]
    return ours


def _metadata(*arguments: str) -> dict[str, Any]:
    command = ["cargo", "metadata", "--format-version", "1", *arguments]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    metadata: dict[str, Any] = json.loads(output.stdout)
    return metadata


def version() -> str:
    return str(manifest()["version"])


@dataclass(frozen=True)
class Crate:
    id: str
    name: str
    version: str
    license: str
    authors: tuple[str, ...]
    repository: str
    folder: Path
    is_ours: bool
    needs: tuple[str, ...]  # ids


@functools.cache
def linked() -> list[Crate]:
    """Ours and all that are linked into any artifact for any target; not what merely runs
    while they are built."""
    platforms = [part for target in TARGETS for part in ("--filter-platform", target.triple)]
    metadata = _metadata("--locked", *platforms)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    is_macro = {
        crate_id: any("proc-macro" in target["kind"] for target in package["targets"])
        for crate_id, package in packages.items()
    }
    found: dict[str, Crate] = {}
    waiting = [
        crate_id for crate_id, package in packages.items() if package["name"] in PACKAGES
    ]
    while waiting:
        crate_id = waiting.pop()
        if crate_id in found or is_macro[crate_id]:
            continue
        package = packages[crate_id]
        needs = [
            dependency["pkg"]
            for dependency in nodes[crate_id]["deps"]
            if any(kind["kind"] is None for kind in dependency["dep_kinds"])
            and not is_macro[dependency["pkg"]]
        ]
        waiting += needs
        found[crate_id] = Crate(
            crate_id,
            package["name"],
            package["version"],
            # The old way to write OR.
            re.sub(r"\s*/\s*", " OR ", package["license"] or ""),
            tuple(package["authors"]),
            package["repository"] or "",
            Path(package["manifest_path"]).parent,
            package["source"] is None,
            tuple(sorted(needs)),
        )
    return sorted(found.values(), key=lambda crate: (crate.name, crate.version))


@functools.cache
def third_party_notices() -> Path:
    """THIRD-PARTY-NOTICES: each licence text once, after the names that it is for."""
    texts: dict[str, list[str]] = {}

    def add(text: str, owner: str) -> None:
        text = "\n".join(
            line.rstrip() for line in text.strip().replace("\f", "\n").splitlines()
        )
        owners = texts.setdefault(text, [])
        if owner not in owners:
            owners.append(owner)

    for crate in linked():
        if crate.is_ours:
            continue
        owner = f"{crate.name} {crate.version} ({crate.license})"
        files = sorted(file for file in crate.folder.iterdir() if LICENSE_FILE.match(file.name))
        for file in files:
            if file.is_file():
                add(file.read_text(errors="replace"), owner)
        if not files:
            # The crate names its licence and holds no text of it.
            add(_license_text(crate.license, crate.authors), owner)
    unwinder = tools.zig() / "lib/libunwind/LICENSE.TXT"
    add(
        unwinder.read_text(),
        "LLVM libunwind (Apache-2.0 WITH LLVM-exception OR MIT OR NCSA)",
    )
    musl = tools.zig() / "lib/libc/musl/COPYRIGHT"
    add(musl.read_text(), "musl, in the stand-alone commands for Linux (MIT)")
    add(
        _license_text("MIT", ("The Rust Project Contributors",)),
        "Rust's standard library (MIT OR Apache-2.0)",
    )

    rule = "=" * 80
    parts = [
        (
            f"svidex ({manifest()['repository']}) is licensed under the Apache\n"
            "License, Version 2.0: see LICENSE. It contains the following, each under the\n"
            "licence that stands below its name."
        )
    ]
    for text, owners in sorted(texts.items(), key=lambda item: (item[1][0].lower(), item[0])):
        parts.append(
            f"{rule}\n" + "\n".join(sorted(owners, key=str.lower)) + f"\n{rule}\n{text}"
        )
    return _write("THIRD-PARTY-NOTICES", "\n\n".join(parts) + "\n")


def _license_text(expression: str, authors: tuple[str, ...]) -> str:
    if "MIT" not in expression:
        raise SystemExit(f"dist: a crate under {expression} holds no licence text: add it here")
    holders = ", ".join(re.sub(r"\s*<.*?>", "", author) for author in authors)
    return MIT.format(holders=holders or "its authors, as the crate's repository names them")


MIT = """Copyright (c) {holders}

Permission is hereby granted, free of charge, to any person obtaining a copy of this
software and associated documentation files (the "Software"), to deal in the Software
without restriction, including without limitation the rights to use, copy, modify, merge,
publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons
to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or
substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED,
INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR
PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE
FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER
DEALINGS IN THE SOFTWARE."""


@functools.cache
def bill_of_materials() -> Path:
    """CycloneDX 1.6, as JSON. The same for the same lock file: its number is a hash."""
    lock_text = (ROOT / "Cargo.lock").read_text()
    # Cargo writes it, always in this form. (Python 3.10 has nothing to read TOML by.)
    stanza = r'name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"'
    checksums = {found[:2]: found[2] for found in re.findall(stanza, lock_text)}
    references = {crate.id: _purl(crate) for crate in linked()}
    components = []
    for crate in linked():
        component: dict[str, Any] = {
            "type": "library",
            "bom-ref": _purl(crate),
            "name": crate.name,
            "version": crate.version,
            "purl": _purl(crate),
            "licenses": [{"expression": crate.license}],
        }
        if checksum := checksums.get((crate.name, crate.version)):
            component["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        if crate.repository:
            component["externalReferences"] = [{"type": "vcs", "url": crate.repository}]
        components.append(component)
    product = f"pkg:github/svidex/svidex@{version()}"
    name = hashlib.sha256(version().encode() + lock_text.encode()).hexdigest()
    ours = [references[crate.id] for crate in linked() if crate.name in PACKAGES]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": product,
                "name": "svidex",
                "version": version(),
                "purl": product,
                "licenses": [{"expression": manifest()["license"]}],
            }
        },
        "components": components,
        "dependencies": [{"ref": product, "dependsOn": sorted(ours)}]
        + [
            {
                "ref": _purl(crate),
                "dependsOn": sorted(references[needed] for needed in crate.needs),
            }
            for crate in linked()
        ],
    }
    return _write(f"svidex-{version()}.cdx.json", json.dumps(document, indent=1) + "\n")


def _purl(crate: Crate) -> str:
    return f"pkg:cargo/{crate.name}@{crate.version}"


def _write(name: str, text: str) -> Path:
    path = BUILT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def packages() -> list[Path]:
    """Our crates as the registry would hold them. (That they compile is what everything
    else here shows.)"""
    folder = BUILT / "crates"
    command = [
        "cargo",
        "package",
        "--quiet",
        "--locked",
        "--no-verify",
        "--allow-dirty",
    ]
    command += ["--target-dir", str(folder)]
    command += [part for name in PUBLISHED for part in ("-p", name)]
    subprocess.run(command, cwd=ROOT, check=True)
    return [folder / "package" / f"{name}-{version()}.crate" for name in PUBLISHED]
