# Needs Python 3.10 or newer and make. Everything is installed into .venv; nothing outside this folder is changed,
# except the download cache of uv.

PYTHON ?= python3
PORT ?= 8888
WORKERS ?= 2
NB ?=
LAB_ARGS ?=
REPO ?=
BRANCH ?= main

PY := .venv/bin/python
# One thread a process: results do not depend on the number of cores, and workers do not fight for them.
ONE := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
NBVAL := --nbval-lax --nbval-current-env --nbval-cell-timeout 300
STRUCTURE := tests/notebooks tests/test_project_files.py tests/test_import_floors.py tests/test_mirror.py tests/test_typed.py
CODE := dmlnb studies timings tests scripts docs/conf.py docs/_ext conftest.py

.DEFAULT_GOAL := help
.PHONY: help install lab test test-browser test-colab check format notebooks refresh bench constraints wheel home site clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	while IFS='|' read -r name text; do printf '%-22s %s\n' "  $$name" "$$text"; done

install:  ## make .venv and install into it (every other target does so when needed)
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found. Install Python 3.10 or newer, or give one: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) scripts/install.py

lab: install  ## open the course in JupyterLab (PORT=8888; LAB_ARGS for more options)
	@flags=""; \
	if [ "$$(id -u)" = 0 ]; then flags="--allow-root"; fi; \
	if [ "$$(uname)" = Linux ] && [ -z "$$DISPLAY$$WAYLAND_DISPLAY" ]; then flags="$$flags --no-browser"; fi; \
	PATH="$(CURDIR)/.venv/bin:$$PATH" exec $(PY) -m jupyterlab $$flags --port=$(PORT) --ServerApp.root_dir="$(CURDIR)" \
		--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb $(LAB_ARGS)

test: install  ## unit tests, then every notebook from top to bottom; fails if either part fails
	@trap 'exit 130' INT; status=0; \
	$(ONE) $(PY) -m pytest tests -n $(WORKERS) -p no:nbval || status=1; \
	$(ONE) $(PY) -m pytest notebooks $(NBVAL) -n $(WORKERS) --dist loadscope --no-loadscope-reorder || status=1; \
	exit $$status

test-browser: install  ## the explorer, a slider and the website in a real browser; installs chromium by apt where it may
	@$(ONE) $(PY) scripts/run_browser_tests.py

test-colab: install  ## notebooks 00, 02 and 08 with Colab's versions and their own first cell (needs 6 GB; NB=08 for one)
	@$(PY) scripts/colab_parity.py $(NB)

check: install  ## style, types, clean notebooks, structure of notebooks and project: about a minute, runs no notebook
	@status=0; \
	$(PY) -m ruff check $(CODE) notebooks || status=1; \
	$(PY) -m ruff format --check $(CODE) notebooks || status=1; \
	$(PY) scripts/clean_notebooks.py --check notebooks || status=1; \
	$(PY) -m mypy || status=1; \
	$(PY) scripts/ledger.py --check || status=1; \
	$(ONE) $(PY) -m pytest -q $(STRUCTURE) || status=1; \
	exit $$status

format: install  ## format code and notebooks, clean them, write badges, bootstrap cells and CLAIMS.md
	@$(PY) -m ruff check --fix-only --quiet $(CODE) notebooks
	@$(PY) -m ruff format $(CODE) notebooks
	@$(PY) scripts/badges.py
	@$(PY) scripts/clean_notebooks.py notebooks
	@$(PY) scripts/ledger.py

notebooks: install  ## run all notebooks into build/, with an HTML page of each (NB=03 for one)
	@$(ONE) $(PY) scripts/run_notebooks.py --jobs $(WORKERS) --out build $(NB)

refresh: install  ## run all notebooks and store their fresh, cleaned outputs in place (NB=03 for one)
	@$(ONE) $(PY) scripts/run_notebooks.py --jobs $(WORKERS) $(NB)

site: install  ## build the website into build/site: PyPI (Sphinx) and npm (KaTeX) are all it needs
	@$(ONE) $(PY) scripts/build_site.py

bench: install  ## speed as ratios: run the programs in timings/, one after the other
	@for name in $$(ls timings/[a-z]*.py | xargs -n 1 basename -s .py); do \
		echo "== timings.$$name"; $(PY) -m timings.$$name || exit 1; \
	done

constraints: install  ## resolve constraints.txt and docs/constraints.txt anew (the versions that make installs)
	@$(PY) scripts/compile_constraints.py

wheel: install  ## build sdist and wheel into build/dist, and try the wheel in an environment of its own
	@$(PY) scripts/try_wheel.py

home: install  ## write a new home into badges and bootstrap cells: make home REPO=owner/name BRANCH=main
	@[ -n "$(REPO)" ] || { echo "usage: make home REPO=owner/name [BRANCH=main]"; exit 2; }
	@$(PY) scripts/badges.py --home "$(REPO)" --branch "$(BRANCH)"

clean:  ## remove what was built and all caches; .venv stays
	@rm -rf build .pytest_cache .ruff_cache .mypy_cache .hypothesis notebooks/.ipynb_checkpoints
	@find dmlnb studies timings tests scripts -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
