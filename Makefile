# Two commands: `make compose` writes a piece of music, `make test` tests everything. Others: make help.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: compose test unit lint docs benchmarks clean help
help:  ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

compose: $(VENV)/.light  ## set up .venv (light, no torch) and compose a piece into out/
	$(BIN)/zhiyin compose

test: $(VENV)/.dev  ## set up the test extras and pass the tests
	$(BIN)/ruff check src tests tools
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	$(BIN)/python -m pytest

unit: $(VENV)/.dev  ## the fast tests only
	$(BIN)/python -m pytest -m "not slow and not data"

docs: $(VENV)/.dev  ## write docs/reference/cli.md from the program's own help
	$(BIN)/python tools/make_cli_reference.py
	$(BIN)/python tools/make_descriptor_reference.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.light: $(VENV)/bin/python pyproject.toml
	$(PIP) install -e .
	@touch $@

# torch as the CPU build: what pip finds here first; where it finds none, PyTorch's CPU index, never CUDA.
$(VENV)/.dev: $(VENV)/bin/python pyproject.toml tools/install_torch_cpu.sh
	sh tools/install_torch_cpu.sh $(BIN)/python
	$(PIP) install -e '.[dev]'
	@touch $@ $(VENV)/.light

clean:  ## remove .venv, out and caches
	rm -rf $(VENV) out build dist .pytest_cache .mypy_cache .ruff_cache
