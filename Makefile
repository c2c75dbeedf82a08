# make demo   streams an answer of each wire family to this terminal; no credentials
# make test   passes the tests
# Both make .venv if it is missing and install what they need, with uv where it is present, else pip.

PYTHON ?= python3
VENV ?= $(if $(filter python3,$(notdir $(PYTHON))),.venv,.venv-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
OLDEST := .venv-oldest
OLDEST_INSTALL = $(OLDEST)/bin/uv pip install --quiet --python $(OLDEST)/bin/python \
	--resolution lowest-direct --upgrade
MLFLOW := $(VENV)-mlflow
CLI := -e '.[cli]'
EXTRAS := -e '.[auth,cli]'
TEST := -e '.[auth,cli,test]'
DOCS := -e '.[docs]'
INSTALL = if command -v uv >/dev/null 2>&1; \
	then uv pip install --quiet --python $(BIN)/python $(1); \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check $(1); fi

.PHONY: demo test test-slow test-oldest check format live peers picture clean docs bench soak

demo: $(VENV)/.cli
	@$(BIN)/gateway-stream demo

test: $(VENV)/.test
	$(BIN)/python -m pytest

test-slow: $(VENV)/.test
	$(BIN)/python -m pytest -m "not live and not peers" --timeout 3600

# The suite with the oldest Python and the oldest versions that pyproject.toml allows.
test-oldest: PYTHON := python3.11
test-oldest: $(OLDEST)/.test
	$(OLDEST)/bin/python -m pytest

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m pytest --quiet tests/test_layers.py

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

live: $(VENV)/.test
	$(BIN)/python -m pytest -m live tests/live

peers: $(VENV)/.test $(MLFLOW)/.made
	GATEWAY_STREAM_MLFLOW_PYTHON=$(MLFLOW)/bin/python $(BIN)/python -m pytest -m peers tests/peers

picture: $(VENV)/.cli
	$(BIN)/python docs/make_picture.py docs/demo.svg

docs: $(VENV)/.docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --config-file docs/website/mkdocs.yml
	@echo build/site/index.html

# This client beside others. Makes an environment for each, the first time: 2 GB and some minutes.
bench: $(VENV)/.made
	$(BIN)/python -m benchmarks.run

# A million short streams through one client: what is left of them. Ten minutes at most.
soak: $(VENV)/.cli
	$(BIN)/python -m benchmarks.soak

clean:
	rm -rf .venv .venv-* benchmarks/.environments build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gateway_stream needs Python 3.11 or later; this is " + sys.version.split()[0] + ": give one with PYTHON=")'
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.cli: $(VENV)/.made pyproject.toml
	@$(call INSTALL,$(CLI))
	@touch $@

$(VENV)/.test: $(VENV)/.made pyproject.toml
	@$(call INSTALL,$(TEST))
	@touch $@ $(VENV)/.cli

$(VENV)/.docs: $(VENV)/.made pyproject.toml
	@$(call INSTALL,$(DOCS))
	@touch $@

$(MLFLOW)/.made: BIN := $(MLFLOW)/bin
$(MLFLOW)/.made: tests/peers/mlflow-requirements.txt
	@$(PYTHON) -m venv $(MLFLOW)
	@$(call INSTALL,-r $<)
	@touch $@

# Twice, because what tests need may ask for newer versions than the package itself does.
$(OLDEST)/.test: pyproject.toml
	@$(PYTHON) -m venv --clear $(OLDEST)
	@$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check uv
	@$(OLDEST_INSTALL) $(TEST)
	@$(OLDEST_INSTALL) $(EXTRAS)
	@touch $@
