# make run: starts the dashboard. make network: adds the engine "network". make test: all checks and tests.
# All work on a fresh machine with Python 3.11 and pip.
PYTHON ?= python3.11
PORT ?= 8501
WORKERS ?= 3
VENV := .venv
BIN := $(VENV)/bin
VIEWER := core/ui/viewer

.PHONY: run network test suite check stress benchmark viewer clean

run: $(VENV)/.run viewer
	$(BIN)/python -m core serve --port $(PORT)

# What the engine "network" needs. pip's own settings decide which build of torch comes.
network: $(VENV)/bin/python requirements-network.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-network.txt

test: $(VENV)/.dev viewer
	$(BIN)/python tools/browser.py
	$(MAKE) --jobs 2 check suite

suite:
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

stress: $(VENV)/.dev viewer
	$(BIN)/python -m pytest -m stress --timeout 3600

benchmark: $(VENV)/.benchmark
	$(BIN)/python -m benchmarks.hub
	$(BIN)/python -m benchmarks.publish

viewer: $(VENV)/.run
	@$(BIN)/python tools/build_viewer.py

$(VENV)/bin/python:
	@$(PYTHON) --version >/dev/null 2>&1 || { echo "error: $(PYTHON) is not here; install Python 3.11 or say make PYTHON=…"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# The pins of requirements.txt are in the same call: pip refuses rather than moves one.
$(VENV)/.benchmark: benchmarks/requirements.txt $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@

clean:
	rm -rf $(VENV) $(VIEWER)/node_modules $(VIEWER)/dist
