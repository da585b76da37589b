"""What is in dist/ in roots that hold only what slim, distroless and old images hold, made
there as such an image is made: by pip in it, or from what another stage has built."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from in_root import PATH
from interpreters import glibc_node, glibc_python
from roots import IMAGES, Image, root_of
from test_installs import c_library, c_program, go_program
from world import (
    HERE,
    LINUX,
    NATIVE,
    PROGRAMS,
    Run,
    npm_project,
    platform_package,
    wheel,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    NATIVE not in LINUX or NATIVE.is_musl, reason="roots of this machine's kind"
)


class Container:
    def __init__(self, image: Image, root: Path) -> None:
        self.image = image
        self.root = root
        self.has_shell = (root / "bin/sh").exists()

    def command(self, *command: str) -> list[str | Path]:
        script = HERE / "in_root.py"
        return [sys.executable, script, self.root, self.image.user, *command]

    def build(self, run: Run, *command: str) -> str:
        """What an image's own RUN lines do: nothing of a workload is there."""
        return run("chroot", self.root, *command, PATH=PATH)


@pytest.fixture(scope="module", params=IMAGES, ids=lambda image: image.name)
def container(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Container]:
    root = tmp_path_factory.mktemp("image") / "root"
    subprocess.run(["cp", "-a", root_of(request.param), root], check=True)
    (root / "app").mkdir()
    yield Container(request.param, root)
    shutil.rmtree(root)


def test_only_the_slim_ones_have_a_shell(container: Container) -> None:
    assert container.has_shell != container.image.is_distroless


def test_python(container: Container, run: Run) -> None:
    root = container.root
    shutil.copy(PROGRAMS / "main.py", root / "app")
    if container.image.is_distroless:
        site = root / "usr/lib/python3/dist-packages"
        run(sys.executable, "-m", "zipfile", "-e", wheel(NATIVE), site)
        run.job(*container.command(container.image.python, "/app/main.py"))
        run.job(*container.command(container.image.python, "-m", "svidex", "token"))
        return
    python = container.image.python
    if not python:
        shutil.copytree(glibc_python(), root / "opt/python", symlinks=True)
        python = "/opt/python/bin/python3"
    shutil.copy(wheel(NATIVE), root / "app")
    container.build(run, python, "-m", "venv", "/app/venv")
    install = ["/app/venv/bin/pip", "install", "--no-index", "--find-links", "/app"]
    container.build(run, *install, "svidex")
    run.job(*container.command("/app/venv/bin/python", "/app/main.py"))
    run.job(*container.command("/app/venv/bin/svidex", "token"))


def test_node(container: Container, run: Run) -> None:
    npm_project(run, platform_package(NATIVE))
    shutil.copytree(run.folder, container.root / "app/node", symlinks=True)
    shutil.copy(glibc_node(NATIVE), container.root / "usr/bin/node")
    run.job(*container.command("node", "/app/node/main.mjs"))
    run.job(*container.command("node", "/app/node/node_modules/svidex/bin/svidex.js", "token"))


def test_go(container: Container, run: Run) -> None:
    program = go_program(run, NATIVE, linked="dynamic", oldest=True)
    shutil.copy(program, container.root / "app/go")
    run.job(*container.command("/app/go"))


def test_c(container: Container, run: Run) -> None:
    program = c_program(run, NATIVE, linked="dynamic", oldest=True)
    shutil.copy(program, container.root / "app/c")
    for file in c_library(run).glob("*.so*"):
        shutil.copy(file, container.root / "usr/lib", follow_symlinks=False)
    run.job(*container.command("/app/c"))


@pytest.mark.parametrize("build", [go_program, c_program], ids=["go", "c"])
def test_static_programs_in_an_empty_root(build: Callable[..., Path], run: Run) -> None:
    """... which need not even a libc."""
    root = run.folder / "root"
    root.mkdir()
    shutil.copy(build(run, NATIVE, linked="static"), root / "program")
    run.job(sys.executable, HERE / "in_root.py", root, "65532:65532", "/program")
