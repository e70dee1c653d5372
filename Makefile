# Every target does its own set-up: a bare Debian with Python 3.11 and make is enough.
# VENV_DIR=... puts the environment elsewhere; ARGS=... is handed to pytest.

VENV_DIR ?= .venv
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
ARGS ?=

RUNTIME := $(VENV_DIR)/.installed-runtime
DEVELOP := $(VENV_DIR)/.installed-develop
TOOLS := $(VENV_DIR)/.installed-test-tools
CASSANDRA_TOOLS := $(VENV_DIR)/.installed-cassandra-tools
PINS := pyproject.toml constraints.txt scripts/install.sh
RECORD := .cache/s3-results

# What the campaign does more of than the test suite; the code is the same.
CAMPAIGN := DOLMEN_KILL_ROUNDS=20 DOLMEN_ALL_LOSSES=1 DOLMEN_RACE_ROUNDS=200

.PHONY: kubernetes-tools kubernetes-nodes-tools test-kubernetes test-kubernetes-nodes
.PHONY: help install run test test-cassandra cassandra cassandra-tools test-cassandra-faults clients clients-all test-clients check campaign campaign-cassandra \
	bench bench-cassandra bench-on-cassandra generate compatibility lock clean

help:  ## what there is
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## */\t/' | expand -t 23

$(RUNTIME): $(PINS)
	@scripts/install.sh "$(VENV_DIR)" gateway,datanode,cli
	@touch $@

$(DEVELOP): $(PINS) $(RUNTIME)
	@scripts/install.sh "$(VENV_DIR)" gateway,datanode,operator,cli,dev
	@touch $@

install: $(RUNTIME)  ## make .venv with the dolmen command
	@echo "installed: $(VENV_DIR)/bin/dolmen"

run: $(RUNTIME)  ## a store on this machine, its data in ./data
	@exec $(VENV_DIR)/bin/dolmen dev ./data $(ARGS)

$(TOOLS): scripts/install_test_tools.sh
	@scripts/install_test_tools.sh
	@touch $@

$(CASSANDRA_TOOLS): scripts/install_cassandra_tools.sh scripts/cassandra/cassandra_jars.py $(RUNTIME)
	@scripts/install_cassandra_tools.sh
	@$(VENV_DIR)/bin/python scripts/cassandra fetch
	@touch $@

cassandra-tools: $(CASSANDRA_TOOLS)  ## Java 17, Maven and the jars of Cassandra, once

cassandra: cassandra-tools  ## a real Cassandra on 127.0.0.1:9042; ARGS="--nodes 3" for three
	@$(VENV_DIR)/bin/python scripts/cassandra start $(ARGS)

test: $(DEVELOP) $(TOOLS) cassandra-tools clients  ## the whole test suite, one worker for each core
	$(VENV_DIR)/bin/pytest -n $(JOBS) --dist worksteal -q $(ARGS)

test-cassandra-faults: $(DEVELOP) cassandra-tools  ## clusters of three Cassandra nodes that are killed, paused and started again
	$(VENV_DIR)/bin/pytest -q -m cassandra_cluster $(ARGS)

kubernetes-tools: $(RUNTIME)  ## Kubernetes' control plane and kwok, compiled once (25 min or more when nothing is cached)
	@PYTHON=$(VENV_DIR)/bin/python scripts/install_kubernetes_tools.sh a
	@$(VENV_DIR)/bin/python scripts/kubernetes build a fake

kubernetes-nodes-tools: $(RUNTIME)  ## what real nodes need as well; root only
	@PYTHON=$(VENV_DIR)/bin/python scripts/install_kubernetes_tools.sh c
	@$(VENV_DIR)/bin/python scripts/kubernetes build c

test-kubernetes: $(DEVELOP) kubernetes-tools  ## a real control plane, with nodes that pretend
	$(VENV_DIR)/bin/pytest -q -m kubernetes $(ARGS)

test-kubernetes-nodes: $(DEVELOP) kubernetes-nodes-tools  ## end to end on real nodes
	$(VENV_DIR)/bin/pytest -q -m kubernetes_nodes $(ARGS)

clients: $(DEVELOP)
	@$(VENV_DIR)/bin/python scripts/install_clients.py

clients-all: clients  ## install every S3 client of the matrix, those of make test-clients too
	@$(VENV_DIR)/bin/python scripts/install_clients.py --slow

test-cassandra: $(DEVELOP) $(TOOLS) cassandra-tools  ## the parts of the Cassandra backend, then the tests of S3 on it
	$(VENV_DIR)/bin/pytest -n $(JOBS) --dist worksteal -q -m "cassandra_suite and not campaign" tests/cassandra $(ARGS)
	DOLMEN_TEST_METADATA=cassandra $(VENV_DIR)/bin/pytest -n $(JOBS) --dist worksteal -q tests/s3 $(ARGS)

test-clients: $(DEVELOP) clients-all  ## the clients whose installation takes minutes, doing their real jobs
	$(VENV_DIR)/bin/pytest -n $(JOBS) --dist worksteal -q -m slow_clients $(ARGS)

campaign: $(DEVELOP) $(TOOLS) clients  ## the long form: 20 x kill -9, every pair of disks, 200 rounds of races, 5 GiB, 100,000 keys
	$(CAMPAIGN) $(VENV_DIR)/bin/pytest -q -m "(campaign or long) and not cassandra_suite" $(ARGS)

campaign-cassandra: $(DEVELOP) cassandra-tools  ## the long form of the tests of Cassandra: a million keys, every place where a splitter may die
	$(VENV_DIR)/bin/pytest -q -m "campaign and cassandra_suite" $(ARGS)

bench: $(DEVELOP)  ## rates, latencies, CPU and memory beside the floors of the same run
	$(VENV_DIR)/bin/python tests/bench/run.py $(ARGS)

bench-cassandra: $(DEVELOP) cassandra-tools  ## statements to Cassandra: rates, latencies, CPU of client and nodes
	$(VENV_DIR)/bin/python tests/bench/run_statements.py $(ARGS)

bench-on-cassandra: $(DEVELOP) cassandra-tools  ## the rows of make bench with metadata on a Cassandra node; ARGS="--metadata-nodes 3"
	$(VENV_DIR)/bin/python tests/bench/run.py --metadata-nodes 1 $(ARGS)

check: $(DEVELOP)  ## linter, types, layers, generated files
	$(VENV_DIR)/bin/ruff check
	$(VENV_DIR)/bin/mypy
	PYTHONPATH=. $(VENV_DIR)/bin/lint-imports
	@scripts/generate.sh "$(VENV_DIR)" --check

generate: $(DEVELOP)  ## write the generated files again
	@scripts/generate.sh "$(VENV_DIR)"

compatibility: $(DEVELOP) $(TOOLS)  ## run the tests of S3, note what they use, write docs/reference/s3-operations.md again
	rm -rf $(RECORD)
	DOLMEN_S3_RESULTS=$(RECORD) $(VENV_DIR)/bin/pytest -n $(JOBS) --dist worksteal -q tests/s3
	$(VENV_DIR)/bin/python scripts/generate_s3_page.py --results $(RECORD)

lock:  ## resolve constraints.txt again from pyproject.toml
	@scripts/lock.sh

clean:  ## remove everything built; ./data stays
	@[ ! -f .cache/cassandra/cluster.json ] || python3 scripts/cassandra stop
	rm -rf "$(VENV_DIR)" .cache build dist *.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +
