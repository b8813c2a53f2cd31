# Everything runs from `.venv`, which `make setup` builds from requirements.lock.
PYTHON ?= python3
SAMPLES ?=
OUT ?= demo-out
BIN := .venv/bin
export OMP_WAIT_POLICY ?= PASSIVE

.DEFAULT_GOAL := help
.PHONY: help setup demo run test check format compose-test bench lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## make .venv with everything in it; .venv/bin/vills is the command

.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, $$($(PYTHON) --version) was found: name another with PYTHON=..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
	  { echo "Python cannot make virtual environments here: on Debian, install the package python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## start the service, upload sample clips, ask both ways, write a contact sheet (SAMPLES=folder: your own)
	@$(BIN)/vills demo --out "$(OUT)" $(if $(SAMPLES),--samples "$(SAMPLES)")

run: setup ## serve on http://127.0.0.1:8000 until Ctrl-C; data stay in VILLS_DATA_DIR
	@exec $(BIN)/vills up

test: check ## format, lint, types, import contracts, then every test
	$(BIN)/python -m pytest

check: setup ## format, lint, types and import contracts only
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## put the code into the house's form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

compose-test: setup ## build and start the containers, ask through them, stop them (skips without Docker)
	$(BIN)/python -m pytest -m compose tests/compose

bench: setup ## measure speed and memory side by side; bench.json and a table
	$(BIN)/vills bench --out bench.json

lock: setup ## renew requirements.lock from pyproject.toml (asks the package index)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra worker --extra train --extra faiss-gpu --extra embedded --extra dev --upgrade \
	  --no-header --no-annotate --no-emit-index-url --quiet --output-file requirements.lock

clean: ## remove .venv and caches; data and samples stay
	rm -rf .venv *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
