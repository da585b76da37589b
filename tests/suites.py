"""Every suite: its name, its command, and where it runs.

A suite that is run with full counts by `make test-long` reads SVIDEX_LONG.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Suite:
    name: str
    command: str
    directory: str = "."
    # A lint passes or fails as one.
    counts_tests: bool = True
    # Only in `make test-long`.
    only_long: bool = False
    # More than it works: it runs at the same time as its neighbours that do.
    waits: bool = False


def lint(name: str, command: str, directory: str = ".") -> Suite:
    return Suite(f"lint-{name}", command, directory, counts_tests=False)


# From the top of the checkout.
PYTHON = "$VENV/bin/python"
NOT_IN_A_HOST = "--skip without_descriptors --skip at_the_limit_of_threads"
SPIRE = "tests/spire/spire.py run -- "
ACTIONLINT = "go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"
STATICCHECK = "go run honnef.co/go/tools/cmd/staticcheck@v0.8.2"
C_SOURCES = "bindings/go/bridge.[ch] tests/bench/*.c tests/c/*.c tests/c/suite/*.[ch] scripts/dist/*.c tests/dist/programs/*.c"
INSTALLED = "native linux-arm64-gnu"
# What a machine's own Python may be.
OLDEST = "--python-version 3.10"
GO_MODULES = (
    "bindings/go bindings/go/svidexopenai tests/e2e/go tests/emulator/clients/go tests/bench/go "
    "tests/frameworks/go/serve tests/frameworks/go tests/frameworks/go/genkit"
)

SUITES = [
    lint(
        "rust",
        "cargo fmt --all --check && cargo clippy --workspace --all-targets -- -D warnings && "
        # Here and below with all others: a package alone would want other features of the
        # crates that it shares with them, and those would be compiled anew.
        "cargo clippy --workspace --lib --tests --features svidex/shuttle -- -D warnings && "
        # Without a GIL, which no interpreter has to be there for.
        "PYO3_CONFIG_FILE=$PWD/bindings/python/free-threaded/interpreter "
        "cargo clippy --workspace --exclude svidex-python --lib --tests -- -D warnings",
    ),
    lint("rustdoc", 'RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps'),
    lint(
        "python",
        # Folders of this name are what ruff leaves out by itself.
        "$VENV/bin/ruff check . scripts/dist tests/dist && "
        "$VENV/bin/ruff format --check . scripts/dist tests/dist && "
        "$VENV/bin/mypy --strict tests/run.py tests/suites.py tests/spire tests/hangs && "
        # From there: at the top `emulator` is a folder of another language.
        "(cd tests/deploy && MYPYPATH=../../bindings/python/tests $VENV/bin/mypy --strict .) && "
        f"MYPYPATH=scripts/dist:tests/dist $VENV/bin/mypy --strict {OLDEST} tests/versions.py && "
        f"MYPYPATH=scripts/dist $VENV/bin/mypy --strict {OLDEST} scripts/dist/*.py tests/dist/*.py && "
        "(cd tests/e2e/python && $VENV/bin/mypy .) && "
        # Not python/, whose rows import what is installed in other environments.
        "(cd tests/frameworks && MYPYPATH=../../bindings/python/tests $VENV/bin/mypy --strict *.py) && "
        "(cd bindings/python && $VENV/bin/mypy python tests demo.py build_backend.py && "
        # What is Python's of the native class is there once `_methods` is imported.
        "$VENV/bin/python -c 'import runpy, svidex._methods; "
        'runpy.run_module("mypy.stubtest", run_name="__main__")\' svidex._svidex && '
        # Nothing that a user's checker would have to guess.
        "PATH=$VENV/bin:$PATH pyright --verifytypes svidex --ignoreexternal)",
    ),
    lint("node", "npm run --silent lint", "bindings/node"),
    lint(
        "go",
        'test -z "$(gofmt -l bindings/go tests | tee /dev/stderr)"; '
        f"for module in {GO_MODULES}; do (cd $module && go vet ./... && {STATICCHECK} ./...); done",
    ),
    lint("c", f"$VENV/bin/clang-format --dry-run --Werror {C_SOURCES}"),
    lint("workflows", ACTIONLINT),
    lint(
        "deploy",
        f"cargo build -q -p svidex-cli && {PYTHON} tests/deploy/check.py "
        "${CARGO_TARGET_DIR:-target}/debug/svidex",
    ),
    # Nothing of it can run here: that it compiles is all that this machine can tell.
    lint("macos", "python3 scripts/dist --check darwin-arm64 darwin-x64"),
    Suite("versions", f"{PYTHON} -m pytest -q tests/dist/test_versions.py"),
    # Of this machine's own packages and of one foreign kind, which the same compiler makes
    # along with them; `make dist-test` tries the rest, and those that a release would publish.
    Suite(
        "installs",
        f"export SVIDEX_DIST_QUICK=1 SVIDEX_DIST_TARGETS='{INSTALLED}' && "
        f"python3 scripts/dist --only {INSTALLED} && "
        # A Python without a GIL would have to be compiled first.
        f"{PYTHON} -m pytest -q tests/dist/test_installs.py tests/dist/test_bundles.py "
        "-k 'not (no-gil or without_a_gil)'",
    ),
    Suite("api", "tests/api/run.sh"),
    Suite("model", "cargo test -p svidex --features shuttle --lib model"),
    Suite("fuzz", "tests/fuzz/run.sh"),
    Suite("core", "cargo test -p svidex", waits=True),
    Suite("cli", "cargo test -p svidex-cli", waits=True),
    # The same command out of the wheel and the npm package, held to the same tests, but
    # where an interpreter has its own ways: it starts with no handful of descriptors, and
    # another user may be unable to read it. Node opens /dev/null in the place of an
    # output that is closed.
    Suite(
        "cli-python",
        f"SVIDEX_CLI=$VENV/bin/svidex cargo test -p svidex-cli -- {NOT_IN_A_HOST}",
        waits=True,
    ),
    Suite(
        "cli-node",
        "SVIDEX_CLI=$(bindings/node/scripts/command.sh target/cli-node) "
        f"cargo test -p svidex-cli -- {NOT_IN_A_HOST} --skip a_closed_output",
        waits=True,
    ),
    # Against the bars of memory and size; a release's command is smaller still.
    Suite(
        "bridge-resources",
        f"cargo build -q --release -p svidex-cli && {PYTHON} tests/deploy/resources.py "
        "${CARGO_TARGET_DIR:-target}/release/svidex",
        only_long=True,
    ),
    Suite("emulator", "cargo test -p svidex-emulator"),
    Suite(
        "emulator-go-spiffe", "go test -v -count=1 ./...", "tests/emulator/clients/go"
    ),
    Suite(
        "emulator-py-spiffe", f"{PYTHON} -m pytest -q", "tests/emulator/clients/python"
    ),
    Suite("header", "cargo test -p svidex-ffi"),
    Suite("c", "tests/c/run.sh"),
    Suite("python", f"{PYTHON} -m pytest -q", "bindings/python"),
    Suite("python-oldest", f"{PYTHON} tests/versions.py python 3.10", only_long=True),
    Suite("python-newest", f"{PYTHON} tests/versions.py python 3.14", only_long=True),
    Suite(
        "python-free-threaded",
        f"{PYTHON} tests/versions.py python 3.14t",
        only_long=True,
    ),
    Suite("node", "npm test", "bindings/node"),
    Suite("node-22", f"{PYTHON} tests/versions.py node 22", only_long=True),
    Suite("node-newest", f"{PYTHON} tests/versions.py node 26", only_long=True),
    Suite("go", "go test -v -count=1 ./...", "bindings/go"),
    Suite("go-oldest", f"{PYTHON} tests/versions.py go 1.24.0", only_long=True),
    Suite("go-race", "go test -v -race -count=1 -short ./...", "bindings/go"),
    Suite("go-adapter", "go test -v -count=1 ./...", "bindings/go/svidexopenai"),
    Suite("e2e-python", f"{PYTHON} -m pytest -q", "tests/e2e/python", waits=True),
    Suite("e2e-node", "npm test", "tests/e2e/node", waits=True),
    Suite("e2e-go", "go test -v -count=1 ./...", "tests/e2e/go", waits=True),
    Suite("frameworks", f"{PYTHON} tests/frameworks/run.py --quick"),
    Suite(
        "recipes",
        f"cargo build -q -p svidex-cli && {PYTHON} tests/recipes/run.py "
        "${CARGO_TARGET_DIR:-target}/debug/svidex",
    ),
    Suite(
        "spire-python", f"{SPIRE}bash -c 'cd tests/e2e/python && {PYTHON} -m pytest -q'"
    ),
    Suite("spire-node", f"{SPIRE}bash -c 'cd tests/e2e/node && npm test'"),
    Suite("spire-go", f"{SPIRE}bash -c 'cd tests/e2e/go && go test -v -count=1 ./...'"),
    Suite(
        "spire-agent",
        "tests/spire/spire.py run --svid-ttl-seconds 20 -- "
        "cargo test -p svidex --test agent -- --ignored",
        only_long=True,
    ),
]
