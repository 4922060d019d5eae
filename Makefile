# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

MAKEFLAGS += --no-print-directory
SHELL := /bin/sh
.DEFAULT_GOAL := help

BIN := .venv/bin
CACHE := $(CURDIR)/.cache
LINK := .cache/collections/ansible_collections/meshops/istio
# The path is part of the key, because scripts in a virtual environment contain it: a moved checkout needs a new one.
KEY := $(shell { cat requirements/dev.txt; echo '$(CURDIR)'; } | cksum | cut -d' ' -f1)
MARK := .venv/.made-$(KEY)
EXPORT := .cache/export/ansible_collections/meshops/istio
ASSETS := plugins/plugin_utils/report/assets
# Packages that mypy checks: all plugins (strict), and the packages that run the tests.
TYPED := $(if $(wildcard plugins/*/*.py),-p ansible_collections.meshops.istio.plugins) -p tools \
	$(foreach package,lab demo adhoc integration field benchmark,$(if $(wildcard tests/$(package)/*.py),-p $(package)))
# Stages run one after another. Targets joined by + run in parallel; targets that start a lab run alone.
STAGES := style sanity+types+lint+docs+changelog+build+adhoc unit lowest+browser molecule integration

export PATH := $(CURDIR)/$(BIN):$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(CACHE)/collections
export ANSIBLE_HOME := $(CACHE)/ansible
ifndef MAKE_TERMOUT
export NO_COLOR := 1
endif
# Runs a package of tests/, with the collection on the path.
RUN := PYTHONPATH='$(CURDIR)/tests:$(CACHE)/collections' $(BIN)/python -m
# Plugins are listed, not discovered, because pytest-ansible creates a tree of links inside the checkout.
PYTEST := PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 $(BIN)/pytest -p xdist -p _hypothesis_pytestplugin

# Many unit tests wait for timers, so twice as many processes as cores are needed to use the cores.
UNIT_WORKERS := $(shell echo $$(( 2 * $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1) )))

define find_python
for candidate in $(if $(PYTHON),'$(PYTHON)',python3.13 python3.14 python3.12 "$$HOME"/.pyenv/versions/3.1[3-9]*/bin/python3 "$$HOME"/.pyenv/versions/3.12*/bin/python3 python3); do \
	if "$$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1; then found="$$candidate"; break; fi; \
done; \
if [ -z "$$found" ]; then \
	echo "$(if $(PYTHON),PYTHON=$(PYTHON) is not,There is no) Python 3.12 or newer with its venv module$(if $(PYTHON),, on PATH or under ~/.pyenv/versions): install one or name one with PYTHON=/path/to/python3." >&2; exit 1; \
fi
endef

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: venv
venv: $(MARK) $(LINK) ## Create .venv from the pinned requirements (every other target does it when needed)
	@:

.PHONY: FORCE
$(MARK): $(if $(wildcard .venv/bin/python),,FORCE)
	@found=''; $(find_python); "$$found" tests/tools/make_venv.py .venv requirements/dev.txt $(MARK)

$(LINK):
	@mkdir -p $(@D) && ln -sfn ../../../.. $(LINK)

.PHONY: check
check: style types unit ## Lint, types and unit tests, in seconds

.PHONY: test
test: venv ## All checks of CI
	@MAKE='$(MAKE)' $(BIN)/python tests/tools/stages.py $(STAGES)

.PHONY: style
style: venv ## Lint with ruff, yamllint, and for the report page oxlint, lint_css and djlint
	@$(BIN)/ruff check --quiet --output-format concise && $(BIN)/ruff format --check && $(BIN)/yamllint --strict .
	@$(BIN)/oxlint --format unix --deny-warnings $(ASSETS) && $(BIN)/python tests/tools/lint_css.py $(ASSETS)/report.css && \
		$(BIN)/djlint --lint --quiet $(ASSETS)

.PHONY: format
format: venv ## Apply the fixes of ruff
	@$(BIN)/ruff check --fix; $(BIN)/ruff format

.PHONY: types
types: venv ## mypy
	@$(BIN)/mypy $(TYPED)

.PHONY: unit
unit: venv ## Unit tests
	@$(PYTEST) -q -n $(UNIT_WORKERS) tests/unit $(ARGS)

# All Pythons use the same freeze. This target shows their differences, such as the end of Ansible's workers.
.PHONY: long
long: venv unit-lowest field ## Tests that take too long for each change: unit tests with the lowest supported Python, and the cases from the field

.PHONY: unit-lowest
unit-lowest: venv ## Unit tests with the lowest supported Python
	@found=''; for candidate in python3.12 "$$HOME"/.pyenv/versions/3.12*/bin/python3; do \
		if "$$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then found="$$candidate"; fi; \
	done; if [ -z "$$found" ]; then echo 'There is no Python 3.12 with its venv module on PATH or under ~/.pyenv/versions.' >&2; exit 1; fi; \
	"$$found" tests/tools/make_venv.py .cache/lowest requirements/dev.txt .cache/lowest/.made-$(KEY) && \
	PATH='$(CURDIR)/.cache/lowest/bin':"$$PATH" PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 \
		.cache/lowest/bin/pytest -p xdist -p _hypothesis_pytestplugin -q -n $(UNIT_WORKERS) tests/unit $(ARGS)

.PHONY: field
field: binaries ## Cases from the field as whole playbook runs, each on a cluster of a lab
	@$(PYTEST) $(if $(MESHOPS_TEST_LAB),,-n 2 --dist loadscope) $(if $(findstring tests/,$(ARGS)),,tests/field) $(ARGS)

.PHONY: lowest
lowest: venv ## Tests of everything that depends on ansible-core, with the lowest supported version
	@PYTHONPATH=tests $(BIN)/python -m tools.matrix lowest

.PHONY: matrix
matrix: binaries ## Unit tests, and a canary upgrade on the lab, with each version of requirements/matrix
	@PYTHONPATH=tests $(BIN)/python -m tools.matrix all

.PHONY: freeze-matrix
freeze-matrix: venv ## Regenerate the freezes of requirements/matrix
	@PYTHONPATH=tests $(BIN)/python -m tools.matrix freeze

# A separate process, because pytest-ansible changes how the whole process imports collections.
.PHONY: adhoc
adhoc: venv ## Run every module by ansible-core in process, with the fixtures of pytest-ansible
	@$(PYTEST) -p pytest_ansible.plugin --ansible-unit-inject-only -q tests/adhoc $(ARGS)

# On a machine without a browser, root installs Debian's. For other users, the tests are skipped with a message.
.PHONY: browser
browser: venv ## Test the report page in a headless Chromium
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends chromium fonts-dejavu-core >/dev/null; \
	fi
	@$(PYTEST) -q -rs tests/browser $(ARGS)

.PHONY: binaries
binaries: venv ## Build the lab's binaries into the user's cache (the first time: about a quarter of an hour)
	@$(RUN) lab build

.PHONY: integration
integration: binaries ## Integration tests, on a lab of real API servers and real istiods
	@$(PYTEST) $(if $(MESHOPS_TEST_LAB),,-n 2 --dist loadscope --no-loadscope-reorder) $(if $(findstring tests/,$(ARGS)),,tests/integration) $(ARGS)

.PHONY: export
export: venv
	@$(BIN)/python tests/tools/export.py $(EXPORT)

.PHONY: sanity
sanity: export ## ansible-test sanity on a clean export, without ignores
	@$(BIN)/python tests/tools/ansible_test_home.py .cache/home
	@cd $(EXPORT) && HOME='$(CACHE)/home' ansible-test sanity --local --color no \
		--python "$$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')" $(ARGS)

.PHONY: lint
lint: export ## ansible-lint, production profile, on a clean export
	@cd $(EXPORT) && ANSIBLE_COLLECTIONS_PATH='$(CACHE)/export' ansible-lint $(ARGS)

.PHONY: docs
docs: export ## Check the documentation of modules, plugins and roles
	@cd $(EXPORT) && ANSIBLE_COLLECTIONS_PATH='$(CACHE)/export' antsibull-docs lint-collection-docs \
		--plugin-docs --validate-collection-refs self . && echo 'documentation: nothing found'

.PHONY: changelog
changelog: venv ## Check the changelog fragments
	@$(BIN)/antsibull-changelog lint && echo 'changelog: nothing found'

.PHONY: build
build: export ## Build the collection's tarball into .cache/dist, install it and inspect it; then create the context of an execution environment
	@rm -rf .cache/dist .cache/installed
	@cd $(EXPORT) && ansible-galaxy collection build --output-path '$(CACHE)/dist'
	@ANSIBLE_COLLECTIONS_PATH='$(CACHE)/installed' ansible-galaxy collection install --offline \
		--collections-path .cache/installed .cache/dist/*.tar.gz
	@ANSIBLE_COLLECTIONS_PATH='$(CACHE)/installed' ansible-doc --type module --list meshops.istio
	@ansible-builder introspect .cache/installed
	@ansible-builder create --file .cache/installed/ansible_collections/meshops/istio/extensions/awx/execution-environment.yml \
		--context .cache/context --output-filename Containerfile

# Molecule remembers the labs that it created, even if they were stopped since.
.PHONY: molecule
molecule: binaries ## Run the shipped playbooks by molecule, on a lab
	@rm -rf .cache/ansible/tmp/molecule.*
	@molecule test --all $(ARGS)

.PHONY: lab
lab: venv ## Run a command of the lab: make lab ARGS="up 2"
	@$(RUN) lab $(ARGS)

.PHONY: benchmark-precheck
benchmark-precheck: venv ## Time, memory and CPU of one precheck of meshes of 300 to 10,000 pods
	@$(RUN) benchmark precheck

.PHONY: benchmark-restart
benchmark-restart: binaries ## Restart of 100 Deployments, compared with a minimal client and kubectl, on a lab
	@$(RUN) benchmark restart

.PHONY: benchmark-fleet
benchmark-fleet: binaries ## A run over fifty clusters with nothing to do, compared with empty tasks and kubernetes.core
	@$(RUN) benchmark fleet

.PHONY: demo
demo: venv ## Upgrade two meshes by one command
	@$(RUN) demo $(ARGS)

.PHONY: demo-down
demo-down: venv ## Stop the lab of the demo
	@$(RUN) lab down --name demo

.PHONY: pages
pages: venv ## Regenerate the pages of docs/ that come from tables of the code
	@$(RUN) tools.pages

.PHONY: freeze
freeze: ## Regenerate requirements/dev.txt from dev.in (with PYTHON=python3.12, the lowest one supported)
	@found=''; $(find_python); rm -rf .cache/freeze && "$$found" -m venv .cache/freeze && \
	.cache/freeze/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.in && \
	{ echo '# Written by `make freeze` from dev.in. Do not edit.'; \
	  .cache/freeze/bin/python -m pip freeze --all | grep -iv '^pip==' | LC_ALL=C sort -uf; } > .cache/dev.txt && \
	mv .cache/dev.txt requirements/dev.txt && rm -rf .cache/freeze

.PHONY: clean
clean: ## Remove all generated files of this checkout (a running lab keeps running)
	@rm -rf .venv .cache .ansible .mypy_cache .pytest_cache .ruff_cache .hypothesis collections tests/output
