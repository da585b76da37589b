"""One version, from one place, and the oldest Rust that is promised."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from world import ROOT, VERSION

if TYPE_CHECKING:
    from pathlib import Path


def release(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(checkout / "scripts/release"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_same_version_stands_everywhere() -> None:
    said = release(ROOT, "--check")
    assert said.returncode == 0, said.stdout


def test_a_release_sets_it_everywhere(tmp_path: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    for name in listed.split("\0"):
        if name and (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    assert release(tmp_path, "7.8.9").returncode == 0
    assert release(tmp_path, "--check").stdout == "release: 7.8.9 everywhere\n"
    assert "## 7.8.9 (" in (tmp_path / "CHANGELOG.md").read_text()
    assert release(tmp_path, "--notes").stdout.strip()
    # Nothing is left of the old one, in whatever form it stands.
    command = ["grep", "-rnE", rf'svidex[^ ]*"?[:@ ]+"?v?{VERSION}\b', str(tmp_path)]
    command += ["--include=*.json", "--include=*.toml", "--include=*.mod"]
    left = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    assert left == ""
    # Cargo finds its lock file as it wants it.
    subprocess.run(
        ["cargo", "metadata", "--locked", "--offline", "--format-version", "1"],
        cwd=tmp_path,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    assert release(tmp_path, "7.8.9").returncode == 1, "a heading is written once"
    assert release(tmp_path, "next").returncode == 2


def test_no_crate_asks_for_a_newer_rust_than_is_promised() -> None:
    """What our own code asks of the standard library clippy holds to the same promise."""
    (promised,) = re.findall(
        r'^rust-version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE
    )
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    listed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    packages = json.loads(listed.stdout)["packages"]
    asked = {
        f"{package['name']} {package['version']}": package["rust_version"]
        for package in packages
        if package["rust_version"]
    }
    assert len(asked) > len(packages) / 2
    newer = {name: rust for name, rust in asked.items() if numbers(rust) > numbers(promised)}
    assert newer == {}
    for name, rust in asked.items():
        if name.startswith("svidex"):
            assert rust == promised, name
    script = (ROOT / "scripts/setup.sh").read_text()
    assert f"oldest_rust={promised}\n" in script


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")[:2]))
