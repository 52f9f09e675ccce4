# Needs make and a Python of 3.11 or newer; everything else is installed into .venv.

# A fresh Debian calls it python3; elsewhere python3 may be too old while a newer one stands beside it.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; exit; fi; done; \
	echo python3)

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help serve test lint types imports schema-check pytest clients schema release playground panel clean

help:
	@echo 'make serve       install and start the server on http://127.0.0.1:8000'
	@echo 'make test        install the development tools and run every check'
	@echo 'make schema      rewrite schema.graphql from the code'
	@echo 'make release     close the changelog for VERSION=1.2.3 and promise its schema from then on'
	@echo 'make playground  build the page at / anew; needs Node.js 20 or newer'
	@echo 'make panel       build the page at /panel anew; needs Node.js 20 or newer'
	@echo 'make clean       remove what the other commands made'

serve: .venv/.serve
	exec $(BIN)/mnesis serve

test: lint types imports schema-check pytest clients

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.dev
	$(BIN)/mypy

imports: .venv/.dev
	$(BIN)/lint-imports

schema-check: .venv/.dev
	@$(BIN)/mnesis schema | diff -u schema.graphql - \
		|| { echo 'schema.graphql differs from the code: run `make schema` and read the difference.'; exit 1; }

# Two thresholds, because what a memory is and how it changes must be tested whole. Every process of the run starts a
# PostgreSQL of its own, so there are a few at most.
pytest: .venv/.dev
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist worksteal --cov --cov-report=
	$(BIN)/coverage report --include='*/mnesis/domain/*,*/mnesis/usecases/*' --fail-under=100
	$(BIN)/coverage report --omit='*/mnesis/domain/*,*/mnesis/usecases/*' --fail-under=95

# Clients in JavaScript, from npm, speak to a server; without Node.js the tests in Python have to do.
clients: .venv/.dev
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory npm-test; \
		else echo 'skipping tests/clients: there is no npm; install Node.js 20 or newer to run them'; fi

.PHONY: npm-test
npm-test: tests/clients/node_modules/.installed
	cd tests/clients && MNESIS=$(abspath $(BIN)/mnesis) npm test

tests/clients/node_modules/.installed: tests/clients/package.json tests/clients/package-lock.json
	cd tests/clients && npm ci --no-audit --no-fund
	@touch $@

schema: .venv/.dev
	$(BIN)/mnesis schema > schema.graphql

# schema.released.graphql is what clients have generated code from: tests/clients/ refuse a schema.graphql that breaks it,
# unless CHANGELOG.md names the coordinate under "Breaking". Before the first release it is the schema of the day on which
# the promise was first tested.
release:
	@echo '$(VERSION)' | grep -Eqx '[0-9]+\.[0-9]+\.[0-9]+' || { echo 'usage: make release VERSION=1.2.3'; exit 1; }
	@if grep -qF '## [$(VERSION)]' CHANGELOG.md; then echo 'CHANGELOG.md has a version $(VERSION) already.'; exit 1; fi
	$(MAKE) --no-print-directory test
	awk '{ print } /^## \[Unreleased\]$$/ { print "\n## [$(VERSION)] - '"$$(date -u +%F)"'" }' CHANGELOG.md > CHANGELOG.md.new
	mv CHANGELOG.md.new CHANGELOG.md
	cp schema.graphql schema.released.graphql
	@echo 'Now set the version in pyproject.toml, commit and tag.'

# Its build is committed, so that nobody else needs Node.js.
playground:
	cd playground && npm ci --no-audit --no-fund && npm run build

panel:
	cd examples/memory-panel && npm ci --no-audit --no-fund && npm run build

clean:
	rm -rf .venv tests/clients/node_modules tests/clients/guides tests/clients/codegen/compiled tests/clients/codegen/generated tests/clients/relay/__generated__ tests/clients/relay/compiled build dist .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find gql tests alembic -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps remember what was installed, so that a second run starts at once.
.venv/.python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mnesis needs Python 3.11 or newer.")'
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.serve: .venv/.python pyproject.toml constraints.txt
	$(INSTALL) --editable .
	@touch $@

.venv/.dev: .venv/.python pyproject.toml constraints.txt
	$(INSTALL) --editable '.[dev]'
	@touch $@ .venv/.serve
