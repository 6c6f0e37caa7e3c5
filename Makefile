# Everything here sets itself up in .venv; only Python 3.11 or newer and make are needed.

PYTHON ?= $(shell command -v python3.11 || command -v python3 || command -v python)
VENV := .venv
BIN := $(VENV)/bin
FILE ?=
SEED ?=
MINUTES ?= 60
WORKERS ?=
OUT ?=
CONTRACTS ?=
MUTANT ?=
LAYER ?=
EVERY ?=
WRITE ?=
MODELS ?=
RACES ?=
RESTARTS ?=
ON ?=
PURE := tests/domain tests/lifecycles tests/commit tests/operations

# Tests start hundreds of processes, each of which would compile the library anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-remote long full placements quick lint bench nightly mutants models contracts properties traces clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/:/' | awk -F: '{printf "  make %-12s%s\n", $$1, $$2}'

demo: $(VENV)/run  ## kill workers at random moments, recover, audit; FILE=history.jsonl SEED=n
	@$(BIN)/grove-sm demo $(if $(FILE),--file "$(FILE)") $(if $(SEED),--seed $(SEED))

test: $(VENV)/develop  ## the tests: every promise, and every rule
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not long"

long: $(VENV)/develop  ## more of the same, on every placement, that make test leaves out
	$(BIN)/python -m pytest -n auto --dist worksteal -m long

test-remote: $(VENV)/develop  ## with the released Nexus server, installed once; RACES=200 RESTARTS=50
	GROVE_NEXUS=1 $(if $(RACES),GROVE_RACES=$(RACES)) $(if $(RESTARTS),GROVE_RESTARTS=$(RESTARTS)) \
		$(BIN)/python -m pytest tests/remote tests/conformance/test_stores.py \
		-k "(nexus or remote) and not very_many"

full: $(VENV)/develop  ## the tests with processes that are killed, at full size: some minutes more
	GROVE_INBOX=10000 GROVE_CREDITS=10000 GROVE_COORDINATORS=8 GROVE_KILLS=200 \
		$(BIN)/python -m pytest tests/processes tests/postgres/test_many_coordinators.py

placements: $(VENV)/develop  ## every operation crashed on all pairs of stores, on each journal; ON=postgres-and-nexus
	GROVE_PLACEMENTS=all $(BIN)/python -m pytest -n auto --dist worksteal $(if $(ON),-k "$(ON)") \
		tests/crash tests/conformance stateful_tests/test_history.py

quick: $(VENV)/develop  ## the tests that take seconds
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow and not long"

lint: $(VENV)/develop  ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/develop  ## every benchmark
	$(BIN)/python -m benchmarks.unsafe_inserts
	$(BIN)/python -m benchmarks.open_journal
	$(BIN)/python -m benchmarks.wake_up

nightly: $(VENV)/develop  ## search for defects at random; MINUTES=60 WORKERS=n SEED=n
	@$(BIN)/grove-sm fuzz --minutes $(MINUTES) --database .fuzz $(if $(WORKERS),--workers $(WORKERS)) \
		$(if $(SEED),--seed $(SEED)) $(if $(OUT),--out "$(OUT)")

mutants: $(VENV)/develop  ## plant each defect and see which tests notice; MUTANT=name LAYER=name
	@$(BIN)/python -m faults.mutants $(addprefix --mutant ,$(MUTANT)) $(addprefix --layer ,$(LAYER)) \
		$(if $(WORKERS),--workers $(WORKERS)) $(if $(EVERY),--every) $(if $(WRITE),--write "$(WRITE)")

models: $(VENV)/develop  ## check the TLA+ models and prove the invariant; MODELS=nightly
	@$(BIN)/python -m models check $(MODELS)
	@$(BIN)/python -m models.proof

contracts: $(VENV)/develop  ## put the contracts on the pure rooms to CrossHair; CONTRACTS=--nightly
	@$(BIN)/python -m models.contracts $(CONTRACTS)

properties: $(VENV)/develop  ## the properties of the pure rooms, with CrossHair in search of what breaks them
	GROVE_PROPERTIES=crosshair $(BIN)/python -m pytest -n auto --dist worksteal -m hypothesis $(PURE)

traces: $(VENV)/develop  ## hold recorded runs against the specification; NUMBER=1000 SEED=n
	@$(BIN)/python -m models.traces --number $(or $(NUMBER),1000) $(if $(SEED),--seed $(SEED))

clean:  ## remove what was set up
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .fuzz

$(VENV)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and none was found."; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is older. Try make PYTHON=/path/to/python3.11"; exit 1; }
	@"$(PYTHON)" -m venv $(VENV) || \
		{ echo "$(PYTHON) cannot make a virtual environment; on Debian install python3-venv."; exit 1; }
	@touch $@

$(VENV)/run: $(VENV)/python pyproject.toml
	@echo "setting up $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/develop: $(VENV)/python pyproject.toml
	@echo "setting up $(VENV) for development ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/run
