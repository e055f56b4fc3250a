# Every target sets up what it needs. `make` without a target lists all.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PY := .venv/bin/python
RUN := $(PY) -m tests.run

##@ Everything
.PHONY: demo test check
demo: setup ## Play the demo's stories on a local cluster and report the figures
	$(PY) -m tests.demo up

test: setup ## Run all tests; ends with a table of the parts
	$(RUN)

check: setup ## Run everything that needs no cluster: lint, types, contracts, unit
	$(RUN) lint types contracts unit

##@ Parts of the tests
.PHONY: lint types contracts unit explore drift integration e2e keda envoy freeze
lint: setup ## Check style and format
	$(RUN) lint

types: setup ## Check types
	$(RUN) types

contracts: setup ## Check the import contracts
	$(RUN) contracts

unit: setup ## Run the unit tests, in random order
	$(RUN) unit

explore: setup ## Try the properties of the unit tests with 1000 random examples each; takes an hour
	HYPOTHESIS_PROFILE=thorough $(PY) -m pytest tests/unit tests/integration/training -m hypothesis -n 2

drift: setup ## Check that the generated CRDs match the API models (also part of unit)
	$(PY) -m pytest tests/unit/recommender_operator/test_crd_drift.py tests/unit/test_chart_crds.py

integration: setup ## Run the integration tests; they start a real API server
	$(RUN) integration

e2e: setup ## Run the end-to-end tests; they start the local cluster
	$(RUN) e2e rights

keda: setup ## Run the tests with a real KEDA, which they build first; not part of `make test`
	$(RUN) keda keda_cluster

envoy: setup ## Run the tests with a real Envoy Gateway, which they build first; not part of `make test`
	$(RUN) envoy

freeze: setup ## Stop an operator after every write of five lives and resume it; not part of `make test`
	$(PY) -m tests.freeze

##@ The demo
.PHONY: demo-url demo-down
demo-url: setup ## Print the address and the host name of the demo
	@$(PY) -m tests.demo url

demo-down: setup ## Remove the demo; the cluster stays
	$(PY) -m tests.demo down

##@ The local cluster
.PHONY: cluster-up cluster-status cluster-kubeconfig cluster-down images
cluster-up: setup ## Start a real Kubernetes with KServe, Knative and a Gateway
	$(PY) -m tests.cluster up

cluster-status: setup ## Show which parts of the local cluster run
	$(PY) -m tests.cluster status

cluster-kubeconfig: setup ## Print the path of the kubeconfig
	@$(PY) -m tests.cluster kubeconfig

cluster-down: setup ## Stop the local cluster and remove everything but the caches
	$(PY) -m tests.cluster down

images: setup ## Build the operator, training, serving and Triton images
	$(PY) -m tests.cluster.images build

##@ For developers
.PHONY: setup format crds reference docs krew proto hooks help figures-of-the-code
setup: .venv/.stamp ## Create .venv from uv.lock; needs only Python 3.11 or 3.12

.venv/.stamp: uv.lock pyproject.toml .ci/setup
	.ci/setup

format: setup ## Format the code and apply lint fixes
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

crds: setup ## Generate the CRDs of manifests/ and the chart, and their reference pages
	$(PY) -m recommender_operator.api.crd
	$(PY) -m tests.reference_pages

reference: setup ## Generate docs/reference and the page of figures
	$(PY) -m tests.reference_pages

docs: setup ## Build the documentation as a site, build/docs/index.html
	.venv/bin/sphinx-build -W --keep-going -q docs build/docs
	@echo build/docs/index.html

krew: setup ## Build the kubectl plugin for krew, build/krew; KREW_BASE is where you publish it
	$(PY) -m tests.krew $(KREW_BASE)

proto: setup ## Generate the messages of the open inference protocol
	$(PY) -m tests.generated_proto

hooks: setup ## Install the git hooks that run the quick checks before each commit
	.venv/bin/pre-commit install

bench-%: setup ## Run a benchmark of tests/ or lab/; its last line is one JSON object
	$(PY) -m $(if $(wildcard tests/benchmarks/$(subst -,_,$*).py),tests,lab).benchmarks.$(subst -,_,$*)

figures-of-the-code: setup ## Print how much there is to read; one JSON object
	$(PY) -m tests.code_figures

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z0-9%-]+:.*## / {sub(/%/, "NAME", $$1); printf "  make %-20s %s\n", $$1, $$2}' \
	  $(firstword $(MAKEFILE_LIST))
