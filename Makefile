# make demo   streams an answer of each wire family to this terminal; no credentials
# make test   passes the tests
# Both make .venv if it is missing and install what they need, with uv where it is present, else pip.

PYTHON ?= python3
VENV ?= $(if $(filter python3,$(notdir $(PYTHON))),.venv,.venv-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
CLI := -e '.[cli]'
TEST := -e '.[cli,test]'
INSTALL = if command -v uv >/dev/null 2>&1; \
	then uv pip install --quiet --python $(BIN)/python $(1); \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check $(1); fi

.PHONY: demo test test-slow check format live picture clean

demo: $(VENV)/.cli
	@$(BIN)/gateway-stream demo

test: $(VENV)/.test
	$(BIN)/python -m pytest

test-slow: $(VENV)/.test
	$(BIN)/python -m pytest -m "not live" --timeout 3600

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

picture: $(VENV)/.cli
	$(BIN)/python docs/make_picture.py docs/demo.svg

clean:
	rm -rf .venv .venv-* build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

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
