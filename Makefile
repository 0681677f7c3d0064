# Each target sets itself up: a virtual environment with pinned packages, made once and kept until the pins change.
# Options pass through: make demo ARGS='--json'
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.PHONY: help demo test test-all test-slow test-s3 bench-match bench-job bench-scale bench-evaluate bench-gallery bench-policy bench-quality bench-fusion lint format clean

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# A file of tests stays in one process, for what its tests share is costly; SPREAD= runs all in one. Long runs are not
# spread: several Rays at a time leave them no core.
SPREAD ?= --numprocesses auto --maxprocesses 4 --dist loadfile

# Photos and models for development, where a checkout has them beside it.
export FACEBATCH_DATA ?= $(if $(wildcard ../shared/data),$(abspath ../shared/data))
export FACEBATCH_MODELS ?= $(if $(wildcard ../shared/models),$(abspath ../shared/models))

help:  ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

demo: $(READY)  ## embed, index and match real photos, search cases made of them; write demo-out/demo.html
	@$(BIN)/facebatch demo $(ARGS)

test: lint  ## Checks and the default tests, some 10 minutes on two cores
	$(BIN)/pytest $(SPREAD) -m "not slow and not s3 and not benchmark" $(ARGS)

test-all: lint  ## Everything but the S3 server: also the runs of minutes
	$(BIN)/pytest -m "not s3 and not benchmark" $(ARGS)

test-slow: $(READY)  ## Only the runs of minutes: Ray with kills, job submission
	$(BIN)/pytest -m "slow and not s3" $(ARGS)

test-s3: $(READY)  ## The storage contract on a real S3 server (Ceph RGW), see tests/servers/README.md
	$(BIN)/pytest -m s3 $(ARGS)

bench-match: $(READY)  ## Bulk match against FAISS and others; ARGS='--gallery 1000000 --json FILE'
	cd tests && $(abspath $(BIN))/python -m benchmarks.bench_match $(ARGS)

bench-job: $(READY)  ## The whole job match beside the scan alone; ARGS='--gallery 1000000 --probes 10000 --executor local ray'
	cd tests && $(abspath $(BIN))/python -m benchmarks.bench_job $(ARGS)

bench-scale: $(READY)  ## What a comparison costs and how that grows; ARGS='--json FILE'
	cd tests && $(abspath $(BIN))/python -m benchmarks.bench_scale $(ARGS)

bench-evaluate: $(READY)  ## Error rates and their bootstrap; ARGS='--probes 10000 1000000 --json FILE'
	cd tests && $(abspath $(BIN))/python -m benchmarks.bench_evaluate $(ARGS)

bench-gallery: $(READY)  ## What a night costs besides embedding, and how that grows; ARGS='--json FILE'
	cd tests && $(abspath $(BIN))/python -m benchmarks.bench_gallery $(ARGS)

bench-policy: $(READY)  ## What a decision costs, and the check of its token; ARGS='--json FILE'
	cd tests && $(abspath $(BIN))/python -m benchmarks.bench_policy $(ARGS)

bench-fusion: $(READY)  ## What fusing the looks of a poor probe is worth, on real photos; ARGS='--draws 6 --json FILE'
	cd tests && $(abspath $(BIN))/python -m benchmarks.bench_fusion $(ARGS)

bench-quality: $(READY)  ## Error versus discard by each quality score, on degraded real photos; ARGS='--draws 32 --json FILE'
	cd tests && $(abspath $(BIN))/python -m benchmarks.bench_quality $(ARGS)

lint: $(READY)  ## ruff, mypy strict, one-way imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## Let ruff format and sort
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove the environment, caches and the demo's output
	rm -rf $(VENV) demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# --no-deps: the constraints are complete, and insightface would bring an OpenCV that needs a display library.
$(READY): pyproject.toml constraints.txt constraints-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=" >&2; exit 2; }
	@echo "Setting up $(VENV) (once) ..." >&2
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r constraints.txt -r constraints-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
