"""Where the package cannot be built from source, that is said in words, before anything
is fetched or tried."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

SOURCE = Path(__file__).resolve().parent.parent / "build_backend.py"


@pytest.fixture
def backend() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_backend", SOURCE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def refusal(backend: ModuleType) -> str:
    with pytest.raises(SystemExit) as ended:
        backend.get_requires_for_build_wheel()
    said = str(ended.value.code)
    assert "There are wheels for CPython 3.10 and later, and for free-threaded" in said
    return said


def rust(tmp_path: Path, version: str) -> str:
    for name in ("cargo", "rustc"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{name} {version} (0 2025-01-01)'\n")
        (tmp_path / name).chmod(0o755)
    return str(tmp_path)


def test_without_rust(backend: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "there is no `cargo` in PATH" in refusal(backend)


@pytest.mark.parametrize(
    ("version", "good"), [("1.87.0", False), ("1.88.0", True), ("2.0.0", True)]
)
def test_with_rust(
    backend: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    version: str,
    good: bool,
) -> None:
    monkeypatch.setenv("PATH", rust(tmp_path, version))
    if good:
        assert backend.get_requires_for_build_wheel() == ["maturin>=1.16,<2"]
    else:
        assert f"1.88 or later: rustc {version}" in refusal(backend)


def test_on_windows(backend: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert "does not run on Windows" in refusal(backend)


@pytest.mark.parametrize(("version", "good"), [((3, 13), False), ((3, 14), True)])
def test_without_the_gil(
    backend: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    version: tuple[int, int],
    good: bool,
) -> None:
    real = sysconfig.get_config_var

    def get_config_var(name: str) -> Any:
        return 1 if name == "Py_GIL_DISABLED" else real(name)

    monkeypatch.setattr(sysconfig, "get_config_var", get_config_var)
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setenv("PATH", rust(tmp_path, "1.88.0"))
    if good:
        assert backend.get_requires_for_build_wheel()
    else:
        assert "free-threaded builds of CPython 3.14 and later" in refusal(backend)


def test_the_oldest_rust_is_the_one_that_cargo_asks_for(backend: ModuleType) -> None:
    manifest = SOURCE.parents[2] / "Cargo.toml"
    oldest = ".".join(map(str, backend.OLDEST_RUST))
    assert f'rust-version = "{oldest}"' in manifest.read_text()
    assert shutil.which("cargo") is None or backend.get_requires_for_build_wheel()
