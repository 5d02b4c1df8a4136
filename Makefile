# make start: set up and run.  make test: set up and test.  make check: the fast checks.  make bench: the benchmarks.
# make soak: ten minutes of mixed load against a model.  make fuzz: fuzz every parser.
# make docs: the documentation as a site, in site/.  make reference: renew what the source writes of it.
# make audit: known weaknesses of the dependencies.  make sbom: their list as dist/sbom.cdx.json.
# make wheel: the package, in dist/.  make release VERSION=1.2.3: a version, up to its tag; nothing leaves this machine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= default.json

.PHONY: help start test check docs reference bench soak fuzz audit sbom wheel release format lock clean

help:
	@sed -n '/^# /!q; s///p' Makefile

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Pushery needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3 ..." >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Pushery needs Python's venv; on Debian: apt install python3-venv" >&2; exit 2; }

$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing Pushery into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

start: $(VENV)/.runtime
	@test -e $(CONFIG) || $(BIN)/pushery init --config $(CONFIG)
	@exec $(BIN)/pushery start --config $(CONFIG)

test: $(VENV)/.dev
	@$(BIN)/python -m pytest -n 4 -q

check: $(VENV)/.dev
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache >/dev/null || $(BIN)/lint-imports --no-cache
	@$(BIN)/python -m pytest -n 2 -q -m "not process and not browser"

## A warning is an error, which is why it is not --quiet: that hides warnings from --strict too. The variable keeps the
## theme's notice about its successor quiet.
docs: $(VENV)/.dev
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "Wrote site/index.html; to read it with search: $(BIN)/python -m http.server --directory site"

reference: $(VENV)/.dev
	@$(BIN)/python -m docsite

bench: $(VENV)/.dev
	@$(BIN)/python -m benchmarks

soak: $(VENV)/.dev
	@$(BIN)/python -m soak

# Looks for inputs that break a parser, for minutes or as long as you like: .venv/bin/python -m fuzz run --seconds 3600
fuzz: $(VENV)/.dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "atheris>=2.3"
	@$(BIN)/python -m fuzz run

# Reads the advisories of the Python Packaging Advisory Database, for exactly what the lock file installs.
audit: $(VENV)/.dev
	@$(BIN)/uv tool run --quiet --from pip-audit==2.10.1 pip-audit --require-hashes --disable-pip -r requirements.lock

sbom: $(VENV)/.dev
	@mkdir -p dist
	@PYTHONWARNINGS=ignore $(BIN)/uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py requirements requirements.lock \
	  --pyproject pyproject.toml --output-reproducible --output-file dist/sbom.cdx.json
	@echo "Wrote dist/sbom.cdx.json"

## The same commit gives the same bytes: the time in them is the commit's. Outside of a clone it is hatchling's own.
wheel: $(VENV)/.runtime
	@export SOURCE_DATE_EPOCH="$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null)}"; \
	  [ -n "$$SOURCE_DATE_EPOCH" ] || unset SOURCE_DATE_EPOCH; $(BIN)/python -m hatchling build -d dist

## Says what it would do: make release VERSION=1.2.3 FLAGS=--dry-run
release: $(VENV)/.dev
	@$(BIN)/python -m release $(FLAGS) $(VERSION)

format: $(VENV)/.dev
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix --quiet .

# Renews both lock files from pyproject.toml.
lock: $(BIN)/python
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  pyproject.toml --group pyproject.toml:build -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  pyproject.toml --group pyproject.toml:build --group pyproject.toml:dev --group pyproject.toml:docs --group pyproject.toml:bench -o requirements-dev.lock

clean:
	rm -rf $(VENV) benchmarks/bin dist build site
