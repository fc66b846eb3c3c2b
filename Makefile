# `make run` and `make test` are all that a newcomer needs; `make help` lists the rest.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The first of these that is found; PYTHON=python3.13 names one.
PYTHON ?= $(or $(firstword $(shell command -v python3.11 python3.12 python3.13)),python3.11)
VENV ?= .venv
# The index that torch comes from, such as https://download.pytorch.org/whl/cpu; empty: where pip looks for the rest.
TORCH_INDEX ?=
# The tests are shuffled, alike for everybody; ORDER=N shuffles them otherwise, as ORDER=$RANDOM does.
ORDER ?= 7
# Overrides for `make run`, such as ARGS="data=digits budget=quick".
ARGS ?=

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

export DO_NOT_TRACK := 1
export GX_ANALYTICS_ENABLED := False
export MLFLOW_DISABLE_TELEMETRY := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install run test serve bench acceptance clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  TORCH_INDEX=URL  the index that torch comes from, when installing (a CPU or a CUDA build)'
	@echo '  ARGS="..."       settings for make run, such as ARGS="data=digits budget=quick"'
	@echo '  ORDER=N          another order of the tests, such as ORDER=$$RANDOM'

install: $(INSTALLED) ## Make the virtual environment with the locked versions

run: install ## Take the default data set through the whole recipe
	@$(BIN)/recipe run $(ARGS)

test: install ## Lint, format, types, imports and every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy flows tasks recipe
	$(BIN)/lint-imports
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --order $(ORDER)

serve: install ## Prefect's server and worker with the deployments, and MLflow's UI; Ctrl-C stops them
	@$(BIN)/python -m flows.serve

bench: install $(VENV)/.installed-bench ## Accuracy and speed beside peers; the figures are kept in benchmarks/
	@$(BIN)/python -m benchmarks

acceptance: install $(VENV)/.installed-scale ## The long proofs: repeated runs, faults, kills, clusters and servers
	@$(BIN)/pytest --timeout 0 -m acceptance

clean: ## Remove the virtual environment and what tools have cached; data and results stay
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

# The lock is whole, so nothing is left to resolve (--no-deps); only torch, whose build depends on its index, brings
# its own companions.
$(INSTALLED): requirements.lock pyproject.toml | $(BIN)/pip
	@echo "Installing the locked versions into $(VENV) (a few minutes the first time)"
	@grep -v '^torch==' requirements.lock | $(BIN)/pip install --quiet --no-deps -r /dev/stdin
	@$(BIN)/pip install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$(grep '^torch==' requirements.lock)"
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-%: requirements-%.lock | $(INSTALLED)
	@$(BIN)/pip install --quiet --no-deps -r $<
	@touch $@

$(BIN)/pip:
	@command -v $(PYTHON) > /dev/null || { echo "Python 3.11, 3.12 or 3.13 is missing: install one (Debian 12: sudo apt-get install python3.11-venv), or name one with PYTHON=..."; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { echo "$(PYTHON) comes without venv: install it (Debian: sudo apt-get install python3.N-venv, N as in $$($(PYTHON) --version))."; exit 2; }
	@$(PYTHON) -m venv $(VENV)
