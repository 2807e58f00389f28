# `make study` and `make test` do all of the set-up on a fresh machine; the rest is for developers.
PYTHON ?= python3
BIN := .venv/bin

# Compiled code is kept, whatever the shell says: each of many processes would compile it anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup study test bench gpu lint clean
setup: .venv/ready

# A lock that changed is installed again; a virtual environment that is up to date costs nothing.
.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "longdep needs Python 3.11 or newer; this is $$($(PYTHON) --version). Name another: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

study: setup
	$(BIN)/longdep run quick
	$(BIN)/longdep report quick

test: setup
	$(BIN)/python -m pytest -m "not slow and not browser and not calibration and not gpu" -q -n auto --dist worksteal

bench: setup
	$(BIN)/longdep bench --quick

# On a machine with a CUDA GPU, and a torch that sees it: what is told of it lies in one place.
gpu: setup
	$(BIN)/python -m pytest -m gpu -q --junitxml reports/benchmark/gpu/tests.xml
	$(BIN)/longdep bench --quick --accelerator gpu

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

clean:
	rm -rf .venv *.egg-info
