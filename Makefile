# Two commands: `make global_budget` sets up and runs the demo, `make test` sets up and runs the tests.
#
#   PYTHON  the Python that makes .venv (3.11 or newer)
#   TORCH   the torch to install before the rest; the pinned one unless told otherwise
#   CORES   what Snakemake may use at once
#   MEM_MB  memory, MB, that the jobs at work may ask for together
PYTHON ?= python3
TORCH ?= $(shell grep '^torch==' envs/constraints.txt)
CORES ?= 16
MEM_MB ?= 3800
BIN := .venv/bin

.PHONY: global_budget test unlock
.DELETE_ON_ERROR:

global_budget: .venv/installed
	$(BIN)/snakemake --cores $(CORES) --resources mem_mb=$(MEM_MB) -- global_budget

test: .venv/installed
	$(BIN)/pytest -m "not slow" -n 2

# After a run that was killed: removes Snakemake's stale lock, touches nothing else.
unlock: .venv/installed
	$(BIN)/snakemake --unlock --cores 1

.venv/installed: pyproject.toml envs/constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet "$(TORCH)" -c envs/constraints.txt
	$(BIN)/pip install --quiet -e ".[workflow,demo,dev]" -c envs/constraints.txt
	touch $@
