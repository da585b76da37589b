"""From the files of dist/ alone, by each language's one command, to the answer of the API:
on this machine, and on those that it can play."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest
from interpreters import (
    free_threaded_python,
    glibc_node,
    musl_loader,
    musl_node,
    musl_python,
)
from world import (
    ARM64_CXX,
    ARM64_LIBC,
    ARM64_PYTHON,
    DIST,
    EMULATOR,
    LINUX,
    NATIVE,
    PROGRAMS,
    ROOT,
    VERSION,
    Run,
    artifact,
    c_tarball,
    compiler,
    cross_compiler,
    emulate,
    free_threaded_wheel,
    npm_project,
    platform_package,
    root,
    wheel,
)

if TYPE_CHECKING:
    from pathlib import Path

    from targets import Target


def targets(*, libc: str) -> list[Target]:
    return [target for target in LINUX if target.libc == libc]


def each(chosen: list[Target]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("target", chosen, ids=lambda target: target.npm)


def unpacked(archive: Path, into: Path) -> Path:
    # Not by `tarfile`, which warns without a filter and before 3.11.4 knows none.
    subprocess.run(["tar", "-xf", archive, "-C", into], check=True)
    (folder,) = into.glob("svidex-*")
    return folder


# Python


def test_pip_into_a_fresh_environment(run: Run) -> None:
    run(sys.executable, "-m", "venv", "venv")
    run(
        "venv/bin/pip",
        "install",
        "--no-index",
        "--find-links",
        DIST / "python",
        "svidex",
    )
    run.job("venv/bin/python", PROGRAMS / "main.py")
    run.job("venv/bin/svidex", "token")
    run.job("venv/bin/python", "-m", "svidex", "token")


@pytest.mark.skipif(NATIVE.libc != "glibc", reason="others end threads without unwinding")
@pytest.mark.parametrize("libgcc", ["there", "not there"])
def test_threads_that_their_interpreter_ends(run: Run, libgcc: str) -> None:
    """CPython before 3.14 unwinds them, by libgcc_s.so.1; a panic is caught without it."""
    run(sys.executable, "-m", "zipfile", "-e", wheel(NATIVE), "site")
    environment = {"PYTHONPATH": str(run.folder / "site")}
    if libgcc == "not there":
        # A file that is no library: there is no other of this name then.
        (run.folder / "libgcc_s.so.1").touch()
        environment["LD_LIBRARY_PATH"] = str(run.folder)
    for _ in range(3):
        said = run(sys.executable, PROGRAMS / "ends.py", libgcc, **environment)
        assert said.splitlines()[-1] == "ends"


def source_distribution() -> Path:
    return artifact(f"python/svidex-{VERSION}.tar.gz")


def test_the_source_without_rust_says_what_is_missing(run: Run) -> None:
    run(sys.executable, "-m", "venv", "venv")
    (run.folder / "nothing").mkdir()
    install = ["venv/bin/pip", "install", "--no-index", str(source_distribution())]
    with pytest.raises(AssertionError, match=r"no `cargo` in PATH[^$]*There are wheels for"):
        run(*install, PATH=str(run.folder / "nothing"))


def test_the_source_builds_with_rust_alone(run: Run) -> None:
    run(sys.executable, "-m", "venv", "venv")
    # The others' crates are those of a checkout, where they are compiled already.
    built = {"PATH": os.environ["PATH"], "CARGO_TARGET_DIR": str(ROOT / "target")}
    run("venv/bin/pip", "install", source_distribution(), **built)
    run.job("venv/bin/python", PROGRAMS / "main.py")


@each(LINUX)
@pytest.mark.parametrize("gil", [True, False], ids=["gil", "no-gil"])
def test_pip_takes_the_wheel_for_every_platform_of_its_tag(
    run: Run, target: Target, gil: bool
) -> None:
    for platform in target.wheel.split("."):
        command = [sys.executable, "-m", "pip", "download", "--no-index", "--no-deps"]
        command += ["--only-binary", ":all:", "--python-version", "3.14"]
        command += ["--platform", platform, "-d", platform]
        if not gil:
            command += ["--abi", "cp314t"]
        run(*command, "--find-links", str(DIST / "python"), "svidex")
        wanted = wheel(target) if gil else free_threaded_wheel(target)
        assert [file.name for file in (run.folder / platform).iterdir()] == [wanted.name]


@each([target for target in targets(libc="glibc") if target != NATIVE])
def test_the_wheel_under_another_processor_s_python(run: Run, target: Target) -> None:
    run(sys.executable, "-m", "zipfile", "-e", wheel(target), "site")
    machine = root(target, ARM64_PYTHON)
    for program in ([str(PROGRAMS / "main.py")], ["-m", "svidex", "token"]):
        run.job(
            *emulate(target, ARM64_PYTHON),
            machine / "usr/bin/python3.11",
            *program,
            PYTHONPATH=str(run.folder / "site"),
            PYTHONHOME=str(machine / "usr"),
        )


@each(targets(libc="musl"))
def test_the_wheel_under_musl_s_python(run: Run, target: Target) -> None:
    """As pip puts it there, by its tag."""
    python: list[str | Path] = [*emulate(target), musl_loader(target), musl_python(target)]
    wanted = f"{target.cpu}-linux-musl"
    asked = "import sysconfig; print(sysconfig.get_config_var('MULTIARCH'))"
    assert run(*python, "-c", asked).split() == [wanted]
    install = [sys.executable, "-m", "pip", "install", "--no-index", "--target", "site"]
    install += ["--only-binary", ":all:", "--python-version", "3.13"]
    install += ["--platform", target.wheel, "--find-links", str(DIST / "python")]
    run(*install, "svidex")
    for program in ([str(PROGRAMS / "main.py")], ["-m", "svidex", "token"]):
        run.job(*python, *program, PYTHONPATH=str(run.folder / "site"))


BINDING_TESTS = ROOT / "bindings/python/tests"


def test_pip_without_a_gil(run: Run) -> None:
    """As pip puts it there, by its tag: it has the other wheel to choose from, too."""
    python = free_threaded_python()
    if python is None:
        pytest.skip("no free-threaded CPython here: neither python3.14t nor its sources")
    run(python, "-m", "venv", "venv")
    install = ["venv/bin/pip", "install", "--no-index", "--only-binary", ":all:"]
    run(*install, "--find-links", str(DIST / "python"), "svidex")
    told = "import svidex, svidex._svidex as s, sys; print(sys._is_gil_enabled(), s.__file__)"
    enabled, module = run("venv/bin/python", "-W", "error", "-c", told).split()
    assert (enabled, ".cpython-314t-" in module) == ("False", True)
    for program in ([str(PROGRAMS / "main.py")], ["-m", "svidex", "token"]):
        run.job("venv/bin/python", *program)
    threads = BINDING_TESTS / "programs/threads.py"
    emulator = [str(EMULATOR), "run", "--"]
    said = run(*emulator, "venv/bin/python", threads, PYTHONPATH=str(BINDING_TESTS))
    assert said.rstrip().endswith(" no GIL"), said


# Node


@each([target for target in LINUX if target == NATIVE])
def test_npm_into_an_empty_project(run: Run, target: Target) -> None:
    npm_project(run, platform_package(target))
    run.job("node", "main.mjs")
    run.job("npx", "--offline", "svidex", "token")


def emulated_node(target: Target) -> list[str | Path]:
    """What starts Node.js of that target on this machine."""
    if target.is_musl:
        return [*emulate(target), musl_loader(target), musl_node(target)]
    return [*emulate(target, ARM64_CXX), glibc_node(target)]


@each([target for target in LINUX if target != NATIVE])
def test_the_addon_under_another_node(run: Run, target: Target) -> None:
    npm_project(run, platform_package(target))
    node = emulated_node(target)
    assert target.libc in run(*node, "-p", LIBC_OF_NODE)
    run.job(*node, "main.mjs")
    run.job(*node, run.folder / "node_modules/svidex/bin/svidex.js", "token")


LIBC_OF_NODE = "process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl'"


def test_every_platform_package_is_an_optional_one_of_the_main(run: Run) -> None:
    with tarfile.open(artifact(f"npm/svidex-{VERSION}.tgz")) as opened:
        file = opened.extractfile("package/package.json")
        assert file
        package = json.load(file)
    wanted = {
        path.name.removesuffix(f"-{VERSION}.tgz") for path in DIST.glob("npm/svidex-*-*-*.tgz")
    }
    assert wanted <= set(package["optionalDependencies"])
    assert set(package["optionalDependencies"].values()) == {package["version"]}


# Go


def go_environment(run: Run) -> dict[str, str]:
    """Modules come from dist/ and from nowhere else."""
    return {
        "GOPROXY": f"file://{DIST / 'go'}",
        "GONOSUMDB": "*",
        "GONOSUMCHECK": "1",
        "GOFLAGS": "-mod=mod -modcacherw",
        "GOMODCACHE": str(run.folder / "modules"),
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "1",
    }


def go_program(run: Run, target: Target, *, linked: str, oldest: bool = False) -> Path:
    """Built by `go get` and `go build`: with this machine's compiler, or for the OLDEST
    libc that svidex runs on."""
    environment = go_environment(run)
    environment["GOARCH"] = target.go_cpu
    environment["CC"] = cross_compiler(target) if oldest else compiler(target)
    shutil.copy(PROGRAMS / "main.go", run.folder)
    run("go", "mod", "init", "consumer", **environment)
    run("go", "get", f"github.com/svidex/svidex/bindings/go@v{VERSION}", **environment)
    build = ["go", "build", "-o", "program"]
    if target.is_musl:
        build += ["-tags", "musl"]
    if linked == "static":
        build += ["-ldflags", "-linkmode external -extldflags -static"]
    run(*build, **environment)
    return run.folder / "program"


@each(LINUX)
@pytest.mark.parametrize("linked", ["dynamic", "static"])
def test_go_get_and_build(run: Run, target: Target, linked: str) -> None:
    if linked == "static" and target.libc == "glibc" and target != NATIVE:
        pytest.skip("the compiler for it links glibc dynamically only")
    program = go_program(run, target, linked=linked)
    needed = run("readelf", "-d", program)
    assert "libgcc" not in needed
    if linked == "static":
        assert "NEEDED" not in needed
    run.job(*emulate(target, ARM64_LIBC), program)


@pytest.mark.skipif(NATIVE not in LINUX or NATIVE.is_musl, reason="only where the tag is wrong")
def test_go_says_which_tag_is_wrong(run: Run) -> None:
    environment = go_environment(run)
    shutil.copy(PROGRAMS / "main.go", run.folder)
    run("go", "mod", "init", "consumer", **environment)
    run("go", "get", f"github.com/svidex/svidex/bindings/go@v{VERSION}", **environment)
    with pytest.raises(AssertionError, match="glibc: build without `-tags musl`"):
        run("go", "build", "-tags", "musl", **environment)


# C


def c_library(run: Run) -> Path:
    """Where `c_program` has unpacked it."""
    (library,) = run.folder.glob("svidex-*/lib")
    return library


def c_program(run: Run, target: Target, *, linked: str, oldest: bool = False) -> Path:
    """Built by pkg-config's flags."""
    unpacked(c_tarball(target), run.folder)
    library = c_library(run)
    environment = {"PKG_CONFIG_PATH": str(library / "pkgconfig")}
    query = ["pkg-config", "--cflags", "--libs", "svidex"]
    if linked == "static":
        query.insert(1, "--static")
    flags = run(*query, **environment).split()
    if linked == "static":
        # By its file, for beside it lies the shared one, which linkers prefer.
        flags = [str(library / "libsvidex.a") if flag == "-lsvidex" else flag for flag in flags]
        if target == NATIVE:
            flags.append("-static")
    elif target.is_musl:
        flags.append("-dynamic")
    cc = cross_compiler(target) if oldest else compiler(target)
    program = run.folder / "program"
    run(*cc.split(), PROGRAMS / "main.c", *flags, "-o", program)
    return program


@each(LINUX)
@pytest.mark.parametrize("linked", ["dynamic", "static"])
def test_a_c_program_by_pkg_config(run: Run, target: Target, linked: str) -> None:
    program = c_program(run, target, linked=linked)
    needed = run("readelf", "-d", program)
    assert "libgcc" not in needed
    assert ("libsvidex.so" in needed) == (linked == "dynamic")
    loader = [musl_loader(target)] if target.is_musl and linked == "dynamic" else []
    run.job(
        *emulate(target, ARM64_LIBC if not target.is_musl else None),
        *loader,
        program,
        LD_LIBRARY_PATH=str(c_library(run)),
    )


# The command


@each([target for target in LINUX if target.is_stand_alone])
def test_the_command_alone(run: Run, target: Target) -> None:
    pattern = f"command/svidex-{VERSION}-{target.npm.removesuffix('-musl')}.tar.gz"
    command = unpacked(artifact(pattern), run.folder) / "svidex"
    assert run(*emulate(target), command, "--version").split() == ["svidex", VERSION]
    run.job(*emulate(target), command, "token")


def test_nothing_here_was_compiled_from_rust(run: Run) -> None:
    """The other tests would notice: Rust's tools are such that fail."""
    with pytest.raises(AssertionError, match="cargo was called"):
        run("cargo", "--version")
    assert os.environ["PATH"] != run.environment["PATH"]
