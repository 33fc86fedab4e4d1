# `make help` lists the targets. `make demo` and `make test` first install what they need.

BIN := .venv/bin
FIND_PYTHON := for python in $(BIN)/python python3 python3.12 python3.11 python3.10; do \
  $$python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null \
  && echo $$python && break; done
PYTHON ?= $(shell $(FIND_PYTHON))
SET_UP = @$(if $(PYTHON),PYTHONPATH=. $(PYTHON) scripts/set_up.py,\
  echo "Python 3.10, 3.11 or 3.12 is needed; name it: make PYTHON=/path/to/python" >&2; false)

# A process a core with one thread each: tests that need threads set their number themselves.
TESTS := OMP_NUM_THREADS=1 $(BIN)/pytest -n logical --maxprocesses 8 --dist loadscope

.DEFAULT_GOAL := help
.PHONY: help demo test test-all sanitize check-aarch64 lint format install wheel constraints clean

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' Makefile | expand -t 22

demo: ## train a detector on simulated streets, make a room of six photos; writes runs/demo/index.html
	$(SET_UP) demo
	$(BIN)/sparse3d demo

install: ## everything a developer needs, into .venv
	$(SET_UP) test

test: install lint ## what CI runs: format, lint, types, layers, tests
	$(TESTS) -m "not slow"

test-all: install lint sanitize ## all tests, the slow ones and the sanitisers included
	@sh scripts/check_aarch64.sh || { [ $$? = 2 ] && echo "check-aarch64: SKIPPED"; }
	$(TESTS)

sanitize: install ## tests of the operators with address and undefined-behaviour sanitisers
	sh scripts/sanitize.sh

check-aarch64: ## kernels built for aarch64, run under an emulator, against the numbers of this machine
	sh scripts/check_aarch64.sh

lint: install ## format, lint, types, layers; changes nothing
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

format: install ## format the code and repair what can be repaired
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

wheel: install ## build the wheel of this machine into dist/
	SPARSE3D_REQUIRE_NATIVE=1 $(BIN)/python -m build --wheel --no-isolation

constraints: install ## renew the pins of constraints.txt after a change of dependencies
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --extra all --no-annotate \
	  --custom-compile-command "make constraints" --output-file constraints.txt pyproject.toml

clean: ## remove what was built; .venv stays
	rm -rf build dist wheelhouse .hypothesis .pytest_cache .ruff_cache .import_linter_cache
