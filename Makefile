# Everything that a person or a machine does with this repository. Needs Go, Node with npm, make and git; the rest is
# fetched or built. CONTRIBUTING.md tells more.

GO ?= go
NPM ?= npm
NODE ?= node
FAULT_RUNS ?= 1000

.DEFAULT_GOAL := help
.PHONY: help run test faults check bench build generate clean tools-staticcheck tools-testsum

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## build and start the demo with its own database, the provider emulators and sample merchants
	@exec bin/counterfoil demo

test: node_modules/.package-lock.json tools-testsum ## run every test, browser included, and print totals and the slowest
	@.ci/install-browser
	@cd .ci/tools && $(GO) test ./...
	@bin/testsum -count=1 -timeout=12m ./...

faults: node_modules/.package-lock.json ## break the product in every way, with at least FAULT_RUNS (1000) crashes, and print what held
	@cd e2e/faults && FAULT_RUNS=$(FAULT_RUNS) $(GO) test -count=1 -timeout 3h

check: node_modules/.package-lock.json tools-staticcheck ## generated code is current, gofmt, go vet, staticcheck, go.mod, import rules; no tests
	@.ci/check-generated
	@.ci/check-format
	$(GO) vet ./...
	$(GO) vet -tags faults ./services/failpoint ./services/payments ./services/webhooks ./cmd/counterfoil
	bin/staticcheck ./...
	$(GO) mod tidy -diff
	@cd .ci/tools && $(GO) vet ./... && $(GO) mod tidy -diff
	$(GO) test -count=1 .

bench: node_modules/.package-lock.json ## run the benchmarks and print their figures
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 60m ./e2e/bench

build: node_modules/.package-lock.json ## build bin/counterfoil and bin/sandbox
	@mkdir -p bin
	$(GO) build -trimpath -o bin/ ./cmd/...

generate: node_modules/.package-lock.json ## write the templates' Go code, the style sheet and the icons anew
	$(GO) tool templ generate -path views
	$(NODE) static/src/build.mjs

clean: ## remove what was built; the demo's data in .data stays
	rm -rf bin e2e/artefacts

# npm writes this file when an installation is complete.
node_modules/.package-lock.json: package.json package-lock.json
	$(NPM) ci
	@touch $@

# The tools are a module of their own, so that the product's go.mod does not list what only checks it.
tools-staticcheck:
	@cd .ci/tools && $(GO) build -o ../../bin/staticcheck honnef.co/go/tools/cmd/staticcheck

tools-testsum:
	@cd .ci/tools && $(GO) build -o ../../bin/testsum ./testsum
