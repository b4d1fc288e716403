# Every command of the project. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: .venv/.installed ## Make .venv with the pinned packages (nothing to do while the pins are unchanged)

.venv/.installed: constraints.txt pyproject.toml scripts/setup.sh
	@scripts/setup.sh

.PHONY: demo
demo: setup ## Run the main job on the shipped campaigns to its end
	@$(BIN)/dialer demo

.PHONY: demo-asterisk
demo-asterisk: setup ## Run a small campaign over Mosquitto and Asterisk, with people and agents played by SIPp
	@PYTHONPATH=. $(BIN)/python scripts/demo_asterisk.py

.PHONY: run
run: setup config.toml ## Run the daemon with config.toml until stopped
	@exec $(BIN)/dialer run --config config.toml

config.toml: # made once, then yours
	@echo "run: no config.toml, copying config.example.toml"
	@cp config.example.toml config.toml

.PHONY: install-systemd
install-systemd: setup ## As root: install the systemd units for this folder (DESTDIR=FOLDER, DRY_RUN=1)
	@DESTDIR="$(DESTDIR)" DRY_RUN="$(DRY_RUN)" scripts/install-systemd.sh

.PHONY: upgrade
upgrade: setup ## As root: put this folder's dialer in the place of the one that systemd runs (DRY_RUN=1)
	@DRY_RUN="$(DRY_RUN)" scripts/upgrade.sh

.PHONY: test
test: setup ## Run the whole test suite
	@echo "test: pytest on 2 processes"
	@$(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: soak
soak: setup ## Run the property tests with many more examples, and kill the dialer thousands of times
	@$(BIN)/python -m pytest -n 2 --hypothesis-profile soak --timeout 3600 tests/properties tests/recovery

.PHONY: check
check: setup ## Check format, lint, types, import layers and the examples in the docs
	@echo "check: format"; $(BIN)/ruff format --check --quiet . || { echo "run: make format"; exit 1; }
	@echo "check: lint"; $(BIN)/ruff check --quiet .
	@echo "check: types"; $(BIN)/mypy
	@echo "check: import layers"; $(BIN)/lint-imports
	@echo "check: examples in the docs"; $(BIN)/python -m pytest -q tests/acceptance/test_docs.py

.PHONY: format
format: setup ## Format the code and fix what the linter can fix
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: bench
bench: setup ## Run all benchmarks, of the pacing the quick one
	@$(BIN)/python -m benchmarks

.PHONY: bench-engine
bench-engine: setup ## Measure the engine: events per second, beside a SimPy model of the same floor
	@$(BIN)/python -m benchmarks.engine

.PHONY: bench-driver
bench-driver: setup ## Measure the daemon's driver on a database: events per second, a live answer's wait (ARGS="--seconds 60")
	@$(BIN)/python -m benchmarks.driving $(ARGS)

.PHONY: bench-compliance
bench-compliance: setup ## Measure the law: a verdict, a register of 10 million, the counts of a million leads (ARGS="...")
	@$(BIN)/python -m benchmarks.compliance $(ARGS)

.PHONY: bench-pacing
bench-pacing: setup ## Measure the pacing: optimum, known parameters, bad days, other dialers (hours; ARGS="...")
	@$(BIN)/python -m benchmarks.pacing $(ARGS)

.PHONY: bench-pacing-quick
bench-pacing-quick: setup ## The same with few runs of a few scenarios, in three minutes
	@$(BIN)/python -m benchmarks.pacing --quick $(ARGS)

.PHONY: bench-storage
bench-storage: setup ## Measure the store on both databases, beside the same by hand (ARGS="--rows 1000000")
	@$(BIN)/python -m benchmarks.storage $(ARGS)

.PHONY: bench-gateway
bench-gateway: setup ## Measure the way of orders and news: engine, broker and gateways under load, Asterisk (ARGS="--seconds 600")
	@$(BIN)/python -m benchmarks.gateway $(ARGS)

.PHONY: lists
lists: setup ## Make the shipped sample lists anew
	@$(BIN)/python campaigns/lists/make_lists.py

.PHONY: pins
pins: setup ## Resolve pyproject.toml anew into constraints.txt
	@scripts/pins.sh

.PHONY: clean
clean: ## Remove .venv and all caches (keeps config.toml and var/)
	@rm -rf .venv build dialer.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
