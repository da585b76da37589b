# svidex: `make demo` and `make test` do their own set-up. `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# What scripts/setup.sh put beside the system's tools.
export PATH := $(CURDIR)/.tools/bin:$(PATH)

PREFIX ?= /usr/local
PYTHON ?= python3
VENV := $(CURDIR)/.venv
# With links: npm 9 would copy our package, which has no native library yet, into the tests'.
NPM_INSTALL := npm install --install-links=false --no-save --no-audit --no-fund --loglevel error

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "%-12s %s\n", $$1, $$2 }'

.PHONY: demo
demo: setup emulator python node go ## the same short program in Python, Node, Go and C against the embedded emulator
	@VENV=$(VENV) tests/e2e/demo/run.sh

.PHONY: test
test: setup-test emulator python node go ## everything: formats, lints, all suites in all languages; SUITES="core go" runs less
	@tests/run.py $(SUITES)

.PHONY: test-long
test-long: setup-test emulator python node go ## the same with full counts, and the soak
	@tests/run.py --long

# What is measured is compiled as `make dist` compiles it.
.PHONY: bench
bench: export CARGO_PROFILE_RELEASE_LTO = fat
bench: export CARGO_PROFILE_RELEASE_CODEGEN_UNITS = 1
bench: setup-test emulator python node go ## beside the peers, as ratios
	@VENV=$(VENV) tests/bench/run.sh

.PHONY: frameworks
frameworks: emulator python node go ## every framework against the emulator, as a table
	@$(VENV)/bin/python tests/frameworks/run.py

.PHONY: recipes
recipes: setup-test emulator ## what docs/recipes shows, with the programs themselves, as a table
	@cargo build --quiet -p svidex-cli
	@$(VENV)/bin/python tests/recipes/run.py $${CARGO_TARGET_DIR:-target}/debug/svidex

.PHONY: fleet
fleet: setup ## exchanges per second of simulated fleets, as a table and a plot
	@SVIDEX_FLEET_DIR=$(CURDIR)/target/fleet cargo test --release --quiet -p svidex --lib -- \
		--ignored --exact --nocapture policy::fleet::draw

.PHONY: setup setup-test
setup:
	@scripts/setup.sh demo
setup-test:
	@scripts/setup.sh test

.PHONY: emulator
emulator: ## the SPIFFE authority and the OpenAI side that tests run against
	@echo "building the emulator …"
	@cargo build --quiet -p svidex-emulator

.PHONY: c
c: ## libsvidex.so, libsvidex.a and svidex.pc in target/ffi
	@echo "building the C library …"
	@ffi/build.sh

.PHONY: go
go: ## the static library where the Go package looks for it
	@echo "building the library for Go …"
	@bindings/go/build.sh

.PHONY: python
python: $(VENV)/bin/python ## the wheel in target/wheels, installed into .venv
	@echo "building the Python wheel …"
	@scripts/python.sh $(VENV)

$(VENV)/bin/python:
	@$(PYTHON) -m venv $(VENV)

.PHONY: node
node: ## the npm packages in bindings/node
	@echo "building the npm packages …"
# Not `npm ci`: it refuses a lock file without the optional packages of other
# platforms, and such it is when the registry that made it has none of them.
	@cd bindings/node && $(NPM_INSTALL) && npm run --silent build
	@cd tests/e2e/node && $(NPM_INSTALL)

.PHONY: dist
dist: setup ## what a release publishes, in dist/; TARGETS="native linux-arm64-musl" builds less
# PARTS: of several machines, each with a dist/ of its own.
	@$(PYTHON) scripts/dist $(if $(TARGETS),--only $(TARGETS)) $(if $(PARTS),--join $(PARTS))

.PHONY: dist-test
dist-test: setup $(VENV)/bin/pytest emulator ## the files in dist/: what they claim, and every install
	@SVIDEX_DIST_TARGETS="$(TARGETS)" $(VENV)/bin/python -m pytest -q tests/dist

$(VENV)/bin/pytest: $(VENV)/bin/python
	@$(VENV)/bin/python -m pip --quiet --disable-pip-version-check install pytest

.PHONY: rust-minimum
rust-minimum: ## whether all that is published compiles with the Rust that Cargo.toml promises (by rustup)
	@minimum=$$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml); \
		rustup toolchain install "$$minimum" --profile minimal; \
		cargo "+$$minimum" check --locked -p svidex -p svidex-ffi -p svidex-python -p svidex-node -p svidex-cli

.PHONY: install
install: ## C library and command, with man pages and completions, under PREFIX
	@ffi/install.sh $(PREFIX)

.PHONY: format
format: ## what the lints want
	@cargo fmt --all
	@cd bindings/node && npm run --silent format
	@gofmt -w bindings/go tests/e2e/go tests/emulator/clients/go
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/clang-format -i bindings/go/bridge.[ch] tests/bench/*.c tests/c/*.c tests/c/suite/*.[ch] scripts/dist/*.c tests/dist/programs/*.c
