# Every target does its own set-up: a bare Debian with Python 3.11 and make is enough.
# VENV_DIR=... puts the environment elsewhere; ARGS=... is handed to pytest.

VENV_DIR ?= .venv
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
ARGS ?=

RUNTIME := $(VENV_DIR)/.installed-runtime
DEVELOP := $(VENV_DIR)/.installed-develop
PINS := pyproject.toml constraints.txt scripts/install.sh

.PHONY: help install test check generate lock clean

help:  ## what there is
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:[^#]*## */\t/' | expand -t 12

$(RUNTIME): $(PINS)
	@scripts/install.sh "$(VENV_DIR)" gateway,datanode,cli
	@touch $@

$(DEVELOP): $(PINS) $(RUNTIME)
	@scripts/install.sh "$(VENV_DIR)" gateway,datanode,operator,cli,dev
	@touch $@

install: $(RUNTIME)  ## make .venv with the packages
	@echo "installed: $(VENV_DIR)"

test: $(DEVELOP)  ## the whole test suite, one worker for each core
	$(VENV_DIR)/bin/pytest -n $(JOBS) --dist worksteal -q $(ARGS)

check: $(DEVELOP)  ## linter, types, layers, generated files
	$(VENV_DIR)/bin/ruff check
	$(VENV_DIR)/bin/mypy
	PYTHONPATH=. $(VENV_DIR)/bin/lint-imports
	@scripts/generate.sh "$(VENV_DIR)" --check

generate: $(DEVELOP)  ## write the generated files again
	@scripts/generate.sh "$(VENV_DIR)"

lock:  ## resolve constraints.txt again from pyproject.toml
	@scripts/lock.sh

clean:  ## remove everything built; ./data stays
	rm -rf "$(VENV_DIR)" build dist *.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +
