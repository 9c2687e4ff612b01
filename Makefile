# Each target is one command; what it takes to find Python and the rest is in config/setup.sh.
.PHONY: help setup run test check lock chaos

PYTHON := .venv/bin/python

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

setup: ## install everything that is locked into .venv
	@bash config/setup.sh

run: setup ## start the product (PORT, HOST, DATA_DIR, DATABASE_URL and REDIS_URL are honoured)
	@$(PYTHON) -m config.run

test: setup ## run all tests (ARGS="tests/config -k name" for some of them, BROWSER=0 without a browser)
	@bash config/run_tests.sh $(ARGS)

chaos: setup ## kill workers at random points of runs and see what is lost (ARGS="--runs 20 --seed 7")
	@$(PYTHON) -m bench.chaos $(ARGS)

check: setup ## lint, types, import rules, deployment settings, migrations
	@bash config/run_checks.sh

lock: setup ## write requirements.lock anew from requirements*.in
	@bash config/setup.sh lock
