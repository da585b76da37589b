"""Programs that are frozen or bundled, and JavaScript's other runtimes: with no more than
the one line that docs/bundlers.md has for each."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import packages
import pytest
from world import (
    NATIVE,
    PROGRAMS,
    ROOT,
    Run,
    npm_project,
    platform_package,
    wheel,
)

PAGE = (ROOT / "docs/bundlers.md").read_text()
# One version each: what they print and take changes.
BUNDLERS = ["esbuild@0.28", "webpack@5", "webpack-cli@7", "node-loader@2"]
RUNTIMES = ["bun@1.4", "deno@2.9", "jest@30"]


def line(starting: str) -> str:
    """What the page tells a reader to write."""
    (found,) = re.findall(rf"^ *{re.escape(starting)}.*", PAGE, re.MULTILINE)
    return str(found).strip()


@pytest.fixture
def project(run: Run) -> Run:
    npm_project(run, platform_package(NATIVE))
    for program in ("bundled.mjs", "environment.mjs", "environment.test.js"):
        shutil.copy(PROGRAMS / program, run.folder)
    return run


def moved(run: Run, folder: str) -> Path:
    """To where no packages are."""
    return Path(shutil.move(run.folder / folder, run.folder.parent / folder))


def test_esbuild(project: Run) -> None:
    command = line("esbuild ").replace("main.js", "bundled.mjs").split()
    tools = packages.npm(BUNDLERS)
    project(tools / ".bin" / command[0], *command[1:])
    bundle = moved(project, "bundle")
    project.job("node", next(bundle.glob("*.js")))


@pytest.mark.parametrize("how", ["module:", "externals:"])
def test_webpack(project: Run, how: str) -> None:
    tools = packages.npm(BUNDLERS)
    (project.folder / "webpack.config.js").write_text(
        "module.exports = { mode: 'development', target: 'node', entry: './bundled.mjs',\n"
        f"  output: {{ path: '{project.folder}/bundle', filename: 'main.js' }},\n"
        f"  resolveLoader: {{ modules: ['{tools}'] }},\n  {line(how)} }};\n"
    )
    said = project(tools / ".bin/webpack")
    assert "ERROR" not in said
    bundle = project.folder / "bundle"
    if how == "module:":
        bundle = moved(project, "bundle")
    project.job("node", bundle / "main.js")


@pytest.mark.parametrize(
    "command",
    [
        "bun environment.mjs",
        "deno run --allow-all --node-modules-dir=manual environment.mjs",
    ],
    ids=["bun", "deno"],
)
def test_other_runtimes_have_their_environment(project: Run, command: str) -> None:
    runtime, *arguments = command.split()
    said = project(packages.npm(RUNTIMES) / ".bin" / runtime, *arguments)
    assert "unix:///of/the/program.sock" in said


@pytest.mark.parametrize("runtime", ["bun", "deno run --allow-all --node-modules-dir=manual"])
def test_other_runtimes_do_the_job(project: Run, runtime: str) -> None:
    name, *arguments = runtime.split()
    project.job(packages.npm(RUNTIMES) / ".bin" / name, *arguments, "main.mjs")


def test_jest_has_its_environment(project: Run) -> None:
    (project.folder / "jest.config.json").write_text(json.dumps({"rootDir": "."}))
    said = project(packages.npm(RUNTIMES) / ".bin/jest", "--ci")
    assert "1 passed" in said


@pytest.mark.parametrize("form", ["--onefile", "--onedir"])
def test_pyinstaller(run: Run, form: str) -> None:
    """Without a flag of ours, or a hook."""
    tools = packages.python(["pyinstaller==6.22.3"])
    run(sys.executable, "-m", "zipfile", "-e", wheel(NATIVE), "site")
    command: list[str | Path] = [
        tools / "pyinstaller",
        form,
        "--noconfirm",
        "--log-level",
        "ERROR",
    ]
    command += ["--paths", run.folder / "site", PROGRAMS / "main.py"]
    run(*command, PYINSTALLER_CONFIG_DIR=str(run.folder / "cache"))
    shutil.rmtree(run.folder / "site")
    program = run.folder / "dist/main"
    run.job(program if form == "--onefile" else program / "main")
