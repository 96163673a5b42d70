# Everything runs in .venv; `make setup` makes it from the project's own files.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test check lab lab-check format bench kills soak fuzz audit sbom docs clean

setup: $(STAMP)

# Installing copies the built extension to where JupyterLab looks, so a new build is a reason too.
$(STAMP): pyproject.toml cleanroom_kernel/labextension/package.json
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (set PYTHON=…)."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "On Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

# Owner and expert on one machine: a synthetic hospital, the server, JupyterLab on the readmission notebook.
# HEADLESS=1 executes the notebook instead and prints its AUC and the ledger. TABLES="a.csv b.parquet" takes your files.
demo: setup
	$(BIN)/cleanroom demo $(if $(HEADLESS),--headless) $(if $(TABLES),--tables $(TABLES))

test: check
	$(BIN)/python -m pytest -n 2 --dist loadfile tests

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/architecture
	@if command -v node >/dev/null; then $(MAKE) --no-print-directory lab-check; \
	else echo "SKIPPED labextension: node is not on this machine"; fi

# The TypeScript half of the JupyterLab extension. What `lab` builds is committed, so that installing needs no Node.
LAB := cd labextension && PATH="$(CURDIR)/$(BIN):$$PATH" &&
NODE_MODULES := labextension/node_modules/.yarn-state.yml

lab: lab-check
	$(BIN)/python labextension/generate_types.py
	$(LAB) jlpm build
	$(BIN)/python labextension/built_from.py

lab-check: setup $(NODE_MODULES)
	$(LAB) jlpm check
	$(LAB) jlpm test

$(NODE_MODULES): labextension/package.json labextension/yarn.lock
	$(LAB) jlpm install --immutable
	@touch $@

# The documentation as a site, in build/site. A link that leads nowhere fails it.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python -m benchmarks

# Kill -9 of every process of a session in turn, at moments drawn from SEED; records, budgets and answers are checked
# after each round. The tests make one round for each process.
ROUNDS ?= 100
SEED ?= 0
kills: setup
	$(BIN)/python -m tests.integration.killing --rounds $(ROUNDS) --seed $(SEED)

# A room under load: so many idle and busy sessions for so many minutes.
IDLE ?= 50
BUSY ?= 20
MINUTES ?= 20
soak: setup
	$(BIN)/python -m tests.integration.soak --idle $(IDLE) --busy $(BUSY) --minutes $(MINUTES)

# Coverage-guided fuzzing of every decoder, for SECONDS in all; what is found is kept in tests/fuzz/corpus.
SECONDS ?= 600
fuzz: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[fuzz]'
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

# Known vulnerabilities of what is installed, where the registry tells of any; and a list of it in CycloneDX.
audit sbom: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[supply]'
	$(BIN)/python -m tests.support.dependencies $@

clean:
	rm -rf $(VENV) .demo .mypy_cache .ruff_cache .pytest_cache
