# `make demo` and `make test` are all that a newcomer needs; each makes what it depends on.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= all
# pip, Snakemake and others would keep caches in the user's home folder.
export XDG_CACHE_HOME := $(CURDIR)/.cache
# TensorFlow's notes about the processor's instructions would hide the progress lines.
export TF_CPP_MIN_LOG_LEVEL ?= 2

# Which packages .venv has beside those of envs/lock.txt: none, or a GPU's for jax or tensorflow. The
# last choice stays (each has a stamp of its own), so `make demo` after `make setup GPU=jax` keeps it. A
# variable of this name in the environment is somebody else's.
ifeq ($(origin GPU),environment)
undefine GPU
endif
ifndef GPU
GPU := $(or $(patsubst $(VENV)/.ready-%,%,$(wildcard $(VENV)/.ready-*)),none)
endif
ifneq ($(words $(GPU)) $(filter-out none jax tensorflow,$(GPU)),1 )
$(error GPU=$(GPU) is not known; expected jax, tensorflow or none, as in: make setup GPU=jax)
endif
GPU_LOCK := $(patsubst %,envs/lock-gpu-%.txt,$(filter-out none,$(GPU)))
READY := $(VENV)/.ready$(addprefix -,$(filter-out none,$(GPU)))
OTHER_READY := $(filter-out $(READY),$(wildcard $(VENV)/.ready $(VENV)/.ready-*))

.DEFAULT_GOAL := help

.PHONY: help
help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 20

.PHONY: setup
setup: $(READY)  ## make .venv from the lock; for a GPU: make setup GPU=jax (or tensorflow, none)

$(READY): envs/lock.txt $(GPU_LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else \
	  "exitwave needs Python 3.11, 3.12 or 3.13, but `$(PYTHON)` is " + ".".join(map(str, v)) + \
	  "; name another one: make PYTHON=python3.12 ...")'
	@$(if $(GPU_LOCK),test "`uname -s`" = Linux || { echo "The packages of $(GPU_LOCK) are for Linux only; run: make setup GPU=none" >&2; exit 1; })
	@# pip would leave the packages of another choice where they are.
	$(PYTHON) -m venv $(if $(OTHER_READY),--clear )$(VENV)
	@echo "Downloading and installing the packages of envs/lock.txt$(if $(GPU_LOCK), and $(GPU_LOCK)), some minutes at first ..."
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes --requirement envs/lock.txt$(if $(GPU_LOCK), --requirement $(GPU_LOCK))
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@# `snakemake --profile slurm` looks for ./slurm, not for profiles/slurm.
	ln -sfn profiles/slurm slurm
	ln -sfn profiles/local local
	@touch $@

.PHONY: demo
demo: setup  ## run the demo through every stage (a quarter of an hour on two cores)
	$(BIN)/snakemake --cores $(CORES) --configfile config/demo.yaml
	@echo "The report: $(CURDIR)/results/report.html"

.PHONY: test
test: setup lint  ## lint, type-check and run all tests
	@# tests/conftest.py puts the longest first; both cores then have work until the end.
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: chaos
chaos: setup  ## kill runs 30 times at random moments; the runs must still give the same results
	EXITWAVE_CHAOS_KILLS=30 $(BIN)/python -m pytest -s tests/pipeline/test_chaos.py

.PHONY: bench
bench: setup  ## time exit waves, images, loader and memory for docs/benchmarks.md (20 minutes)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/exit_waves.py --write
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/images.py --write
	$(BIN)/python benchmarks/loader.py --write
	$(BIN)/python benchmarks/kept_memory.py --write

.PHONY: lint
lint: setup  ## ruff, mypy, deptry, import-linter, snakefmt, snakemake --lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/deptry src --optional-dependencies-dev-groups test
	$(BIN)/deptry src tests tests/support benchmarks
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint --configfile config/demo.yaml

.PHONY: format
format: setup  ## format Python and Snakemake files
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

.PHONY: config-reference
config-reference: setup  ## rewrite the schema, the key table and config/config.yaml
	$(BIN)/python -m exitwave.config.reference

.PHONY: stage-code
stage-code: setup  ## record the code of the stages, once their algorithm versions are right
	$(BIN)/python tests/support/stage_code.py

COMPILE := $(VENV)/uv/bin/uv pip compile --universal --fork-strategy fewest --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header

.PHONY: lock
lock: setup  ## resolve the dependencies of pyproject.toml again into the three locks of envs
	$(PYTHON) -m venv $(VENV)/uv && $(VENV)/uv/bin/python -m pip install --quiet uv
	$(COMPILE) --extra test pyproject.toml --output-file envs/lock.txt
	@# A GPU's lock has only what comes on top of envs/lock.txt: 130 lines, where a complete one would
	@# repeat 4000. `--constraint` keeps what several locks share at one version.
	skip=`sed -nE 's/^([A-Za-z0-9_.-]+)==.*/--no-emit-package \1/p' envs/lock.txt | sort -u`; \
	$(COMPILE) --quiet --extra gpu-jax --constraint envs/lock.txt $$skip \
	  pyproject.toml --output-file envs/lock-gpu-jax.txt && \
	$(COMPILE) --quiet --extra gpu-tensorflow --constraint envs/lock.txt --constraint envs/lock-gpu-jax.txt $$skip \
	  pyproject.toml --output-file envs/lock-gpu-tensorflow.txt
	@# Behind an empty line uv lists all that was left out.
	sed -i.old '/^$$/,$$d' envs/lock-gpu-*.txt && rm envs/lock-gpu-*.txt.old

.PHONY: clean
clean:  ## remove the environment and caches; results stay
	rm -rf $(VENV) slurm local .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
