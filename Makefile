# The project's commands. Each prepares what it needs by itself (.ci/setup), so that a fresh Debian machine
# with git, python3 and make is enough.
#
#   make test ARGS="-k copy"        arguments for pytest
#   make demo PYTHON=python3.12     the Python to make .venv with

export PYTHON ?= python3
ARGS ?=
# Much of the suite waits for servers, so there may be more processes than cores.
JOBS ?= 3

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs screenshots bench conformance test-matrix

help: ## List these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: ## Start a local CARTO and run the examples against it
	@.ci/setup sandbox,progress
	@.venv/bin/python .ci/demo.py

test: ## Run all tests; a skipped one counts as failed, unless it only lacks a live account
	@.ci/setup test
	.venv/bin/python -m pytest -n $(JOBS) --dist loadfile --fail-on-skip -o faulthandler_exit_on_timeout=true $(ARGS)

lint: ## Check types and style
	@.ci/setup test
	.venv/bin/python -m ruff check .
	.venv/bin/python -m mypy

docs: ## Build the documentation in doc/build/html; a warning is an error
	@.ci/setup sandbox,doc
	@$(MAKE) --no-print-directory -C doc html PYTHON=../.venv/bin/python

screenshots: ## Photograph the documentation and a notebook, and check what is on them; into doc/build/screenshots
	@.ci/setup test
	@.venv/bin/python -m tests.docs.screens doc/build/screenshots

bench: ## Measure the speed, row by row, beside the limits and carto-python 1.11.3; ARGS=--quick takes two minutes
	@VENV=.venv-bench .ci/setup bench
	@.venv-bench/bin/python -m bench $(ARGS)

conformance: ## Replay the recordings of CARTO's servers against the sandbox, and count what matches
	@.ci/setup test
	@.venv/bin/python -m tests.wire $(ARGS)

test-matrix: ## Run the tests on each Python 3.10-3.13 found, and with the lowest and newest dependencies (long)
	@.ci/setup test
	@.venv/bin/python .ci/matrix.py $(ARGS)
