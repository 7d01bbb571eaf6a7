# `make` lists the targets. Each says what it does; those that take long say how long.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
CLUSTER := test/cluster/cluster
STEP := test/ci/step

.PHONY: help setup check test system bench cluster cluster-delete demo bundle image crds golden docs format

help: ## List the targets
	@awk -F':.*## ' '/^[a-z -]+:.*## /{printf "  \033[1m%-15s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: node_modules/.installed ## Install Node 26 and the tools from npm, and servers and Debian packages for tests (1-3 min)
	@node test/ci/servers.ts

node_modules/.installed: package.json package-lock.json
	@# not `npm ci`: a lock file made on one platform may lack the optional packages of another
	npm install --no-save --no-fund --no-audit --loglevel=error
	@test/ci/packages
	@node -e 'if (Number(process.versions.node.split(".")[0]) < 24) { console.error("node " + process.version + " is too old, replica-manager needs 24.11 or newer: run npm ci with install scripts allowed"); process.exit(1) }'
	@touch $@

check: setup ## Format, lint, types, dead code, unit, layers, package, regenerate-and-compare (3 min)
	@$(STEP) 'format and lint' biome check --error-on-warnings .
	@$(STEP) 'lint with types' oxlint --type-aware --deny-warnings
	@$(STEP) 'types' tsc
	@$(STEP) 'dead code' knip
	@$(STEP) 'generated files' node src/build/generate.ts --check
	@$(STEP) 'fast tests' test/ci/tests fast

test: ## Everything CI runs: check, cluster, system tests (12 to 20 min when built before, 45 min on a new machine)
	@test/ci/run

system: cluster ## The promises, seen on a real cluster (10 min)
	@$(STEP) 'system tests' $(CLUSTER) run test/ci/tests system $(FILES)

bench: bundle ## Speed and memory as ratios to peers, with real PostgreSQL (3 min); BENCH=addedTime runs one
	@node test/bench/main.ts $(BENCH)

cluster: setup bundle ## A four-node kind cluster with our images (seconds when it is up, 15 to 25 min the first time)
	@$(STEP) 'cluster' $(CLUSTER) up
	@$(STEP) 'images' $(CLUSTER) images

cluster-delete: ## Delete the cluster and all that the script started; built artefacts stay cached
	$(CLUSTER) down

demo: cluster ## A topology and an application that writes to the primary and reads from replicas
	@$(CLUSTER) run examples/demo

bundle: setup ## Bundle the operator and the agent, pack the library for the example
	@node src/build/bundle.ts
	@examples/orders-app/prepare.sh

image: bundle ## Build the images and load them into the cluster
	$(CLUSTER) images

crds docs: setup ## Write the CRD, the chart's copy, the API reference and the OpenAPI description from the code
	node src/build/generate.ts

golden: setup ## Rewrite the golden files in test/golden; review the difference
	UPDATE_GOLDEN=1 vitest run --project fast test/objects test/pooler

format: setup ## Format all files
	biome check --write .
