"""The npm packages: `svidex`, and for each target one with its native library."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import crates
from clibrary import licenses
from compile import BUILT, ROOT, Compiled
from targets import TARGETS, Target

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = ROOT / "bindings/node"
STAGE = BUILT / "npm"
ADDRESS = crates.manifest()["repository"]
PLACE = {
    "license": crates.manifest()["license"],
    "homepage": ADDRESS,
    "repository": {"type": "git", "url": f"git+{ADDRESS}.git"},
    "bugs": f"{ADDRESS}/issues",
}


def main_package() -> Path:
    """Its optional packages are named here alone: in a checkout there is only one."""
    environment = {**os.environ, "npm_config_loglevel": "error"}
    if not (PROJECT / "node_modules/.bin/tsc").exists():
        install = ["npm", "install", "--no-save", "--no-audit", "--no-fund"]
        subprocess.run(install, cwd=PROJECT, env=environment, check=True)
    subprocess.run(
        ["npm", "run", "--silent", "build:ts"], cwd=PROJECT, env=environment, check=True
    )
    package = json.loads((PROJECT / "package.json").read_text())
    package["optionalDependencies"] = {
        f"svidex-{target.npm}": crates.version() for target in TARGETS
    }
    for of_a_checkout in ("workspaces", "napi", "scripts", "devDependencies"):
        package.pop(of_a_checkout, None)
    folder = _stage(package, PROJECT / "README.md")
    for name in package["files"]:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name)
        else:
            shutil.copy(source, folder / name)
    return _pack(folder)


def platform_package(target: Target, compiled: Compiled) -> Path:
    name = f"svidex-{target.npm}"
    main = json.loads((PROJECT / "package.json").read_text())
    library = f"svidex.{target.npm}.node"
    package: dict[str, Any] = {
        "name": name,
        "version": crates.version(),
        "description": f"Native library of the npm package svidex for {_words(target)}",
        "engines": main["engines"],
        "os": [target.system],
        "cpu": [target.npm.split("-")[1]],
    }
    if target.libc:
        package["libc"] = [target.libc]
    package |= {"main": library, "files": [library]}
    readme = BUILT / target.triple / "README.md"
    readme.parent.mkdir(parents=True, exist_ok=True)
    readme.write_text(
        f"# {name}\n\nThe native library of the npm package `svidex` for {_words(target)}. It\n"
        "is installed along with `svidex`; there is no reason to install it by hand.\n"
    )
    folder = _stage(package, readme)
    shutil.copy(compiled.node, folder / library)
    return _pack(folder)


def _words(target: Target) -> str:
    cpu = target.npm.split("-")[1]
    if target.system == "darwin":
        return f"macOS on {cpu}"
    return f"Linux on {cpu} with {target.libc}"


def _stage(package: dict[str, Any], readme: Path) -> Path:
    folder: Path = STAGE / package["name"]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    package = {**package, **PLACE}
    package["files"] = [*package["files"], "THIRD-PARTY-NOTICES"]
    (folder / "package.json").write_text(json.dumps(package, indent=2) + "\n")
    shutil.copy(readme, folder / "README.md")
    for entry in licenses():
        (folder / entry.name).write_bytes(entry.content)
    return folder


def _pack(folder: Path) -> Path:
    pack = ["npm", "pack", "--json", "--ignore-scripts", "--pack-destination"]
    output = subprocess.run(
        [*pack, str(BUILT), str(folder)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
    ).stdout
    (packed,) = json.loads(output)
    return BUILT / str(packed["filename"])
