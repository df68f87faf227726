# Needs GNU make (3.81 will do), git and Python 3.11 or later. Everything else is fetched from the hash-locked
# lists in requirements/ into .venv and .make; pip's own settings (PIP_INDEX_URL, PIP_CERT, ...) are honoured.

.DEFAULT_GOAL := help
.PHONY: help demo test battery bench format reference lock clean dev

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

demo: ## the main job on a throw-away store, as you would type it
	@scripts/venv.sh .make/demo requirements/runtime.txt requirements/build.txt
	@scripts/demo.sh

test: dev ## everything CI runs: format, lint, types, import rules, tests
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/pytest -n 2

battery: dev ## what people trust such a program with, tried at length: one line a property
	BATTERY=1 .venv/bin/pytest -q -o faulthandler_timeout=3600 tests/battery
	BATTERY=1 .venv/bin/pytest -q -n 2 -o faulthandler_timeout=3600 tests/faults tests/unit/formats

bench: dev ## what exec costs, beside a plain boto3 script, and what calls at once gain
	.venv/bin/python tests/benchmarks/bench.py
	.venv/bin/python tests/benchmarks/parallel.py

format: dev ## format the code, and mend what the linter can mend
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

reference: dev ## write the README's reference anew from --help
	.venv/bin/python -m tests.support.reference

lock: ## write requirements/ anew from pyproject.toml (UPGRADE=1: with the newest versions)
	@scripts/venv.sh .make/lock requirements/lock.txt
	@scripts/lock.sh

clean: ## remove all that make made
	rm -rf .venv .make .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find vault_exec backends tests -name __pycache__ -type d -prune -exec rm -rf {} +

dev:
	@scripts/venv.sh .venv requirements/dev.txt
