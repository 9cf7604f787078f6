# Two commands for users: `make demo` and `make test`. Each first installs everything into .venv; `make install` does only
# that. With TORCH=cpu the first of them leaves out CUDA: torch then comes from PyTorch's index for the CPU, at the version
# of the lock, which has no hashes for it.

PYTHON ?= python3
BIN := .venv/bin
BENCHES := loader step inference
INSTALLED := .venv/installed
VALIDATORS := .venv/validators/installed
PIP := python -m pip install --disable-pip-version-check --no-deps
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
PARALLEL := --numprocesses logical --maxprocesses 4 --dist loadscope --no-loadscope-reorder

.PHONY: install demo test test-fast bench gpu-check fuzz reliability docs lint format schema dvc code lock

install: $(INSTALLED)

demo: $(INSTALLED)
	$(BIN)/snakemake --cores all --quiet rules$(if $(NO_COLOR), --nocolor) --config scale=demo
	@$(BIN)/pointrend --scale demo report --show

test: $(INSTALLED) $(VALIDATORS)
	$(BIN)/pytest $(PARALLEL)

# Everything that needs no cluster, engine, browser or long training: under two minutes on two cores.
test-fast: $(INSTALLED)
	$(BIN)/pytest $(PARALLEL) -m "not (slurm or engine or browser or slow)"

# Parsers and numbers with 100 times the examples of the suite; 10 times take two minutes.
fuzz: $(INSTALLED)
	POINTREND_FUZZ=100 $(BIN)/pytest --timeout 0 tests/trust/test_parsers.py tests/trust/test_numbers.py

# 200 kills at random moments, and 100,000 iterations; the figures are in docs/reliability.md.
reliability: $(INSTALLED)
	$(BIN)/python -m tests.trust.kills 200
	$(BIN)/python -m tests.trust.endless 100000

# The documentation as a site in build/docs; a broken link is an error.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# Minutes each; the figures go to benchmarks/ and into docs/performance.md.
bench: $(INSTALLED)
	@for what in $(BENCHES); do $(BIN)/python -m benchmarks $$what || exit; done

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy pointrend benchmarks
	$(BIN)/lint-imports
	$(BIN)/snakefmt --check Snakefile workflow

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

# The JSON schema of params.yaml; a test fails if it is out of date.
schema: $(INSTALLED)
	$(BIN)/python -c 'from pathlib import Path; from pointrend import files; from pointrend.settings import params; \
		files.write_json(Path("workflow/schemas/params.schema.json"), params.schema())'

# dvc.yaml, from the table of stages; a test fails when it has drifted.
dvc: $(INSTALLED)
	$(BIN)/python -c 'from pathlib import Path; from pointrend.engines.dvc import dvc_yaml; \
		Path("dvc.yaml").write_text(dvc_yaml())'

# The digests of the code that decides a number, after it passes the tests with the golden numbers: results of other code
# are not comparable. A test fails if the digests are out of date.
code: $(INSTALLED)
	$(BIN)/pytest --numprocesses logical tests/model tests/evaluation tests/training tests/datasets
	$(BIN)/python -c 'from pathlib import Path; from pointrend import files; from pointrend.settings import definition; \
		files.write_json(Path("published/code.json"), definition.code_of_stages(("voc", "ade20k", "cityscapes")))'

# On a machine with a GPU, at most 8 minutes: numbers, tests, demo, several GPUs, step, inference; one JSON in build/.
gpu-check: $(INSTALLED)
	@$(BIN)/python -m benchmarks.gpu_check

# Exact versions with hashes, for every platform; needs uv.
lock:
	uv pip compile requirements.in --override requirements-override.in $(LOCK) --output-file requirements.lock
	uv pip compile requirements-validators.in $(LOCK) --output-file requirements-validators.lock

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is older than 3.11; choose a newer one: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv .venv
ifeq ($(TORCH),cpu)
	awk '/^[^ ]/ {cuda = /^(torch|torchvision|triton|nvidia-.*|cuda-.*)==/} !cuda' requirements.lock >.venv/cpu.lock
	$(BIN)/$(PIP) --require-hashes -r .venv/cpu.lock
	$(BIN)/$(PIP) --index-url https://download.pytorch.org/whl/cpu \
		$$(sed -nE 's/^(torch(vision)?==[^ ]+).*/\1/p' requirements.lock)
else
	$(BIN)/$(PIP) --require-hashes -r requirements.lock
endif
	$(BIN)/$(PIP) --no-build-isolation -e .
	@touch $@

# Tools of others that read what we export. Their requirements exclude some of ours, so they have a place of their own.
$(VALIDATORS): requirements-validators.lock $(INSTALLED)
	$(PYTHON) -m venv .venv/validators
	.venv/validators/bin/$(PIP) --require-hashes -r requirements-validators.lock
	@touch $@
