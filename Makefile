# What can be done with this project. `make` lists it; docs/development.md tells more.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

target := $(or $(CARGO_TARGET_DIR),target)
binary := $(target)/release/lazarus
archive := $(target)/lazarus-pit.tar
lab := deploy/lab/lab.sh
go_modules := deploy/lab deploy/lab/addons deploy/image deploy/demo/egress tests/probes
# As the lab builds them, so that Go has most of it compiled already.
go := CGO_ENABLED=0 GOFLAGS=-trimpath go
export IMAGE_ARCHIVE := $(abspath $(archive))

.PHONY: help
help: ## This list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@printf '  %s\n' \
		'LAB_DIR=DIR       another lab than .lab; several can run side by side' \
		'TESTS=WORDS       for unit and e2e: only tests with these words in their name' \
		'CLUSTER=current   for demo: the current context of kubectl, with IMAGE=REGISTRY/NAME:TAG' \
		'ABSENT_SECONDS=N  for e2e-node: how long agents wait for a gateway that is not there' \
		'BENCH_SECONDS=N BENCH_AGENTS=N   for bench: how long each of its two runs is, and with how many agents' \
		'MODEL=NAME        for model: only the one of this name' \
		'SINCE=TIME NAMESPACE=PREFIX   for writes: what is counted, such as SINCE=2026-01-31T12:00:00Z'

.PHONY: check
check: ## Say what this machine lacks; as root on Debian, install its packages
	@deploy/check.sh

.PHONY: build
build: ## The program as one static file, target/release/lazarus
	@deploy/check.sh rust
	cargo rustc --release --locked --bin lazarus -- -C target-feature=+crt-static

.PHONY: image
image: build ## The container image, target/lazarus-pit.tar, without Docker
	$(lab) image $(binary) $(archive)

.PHONY: generate
generate: ## Write the generated files anew: crds, install.yaml, reference pages, transcripts
	UPDATE_GENERATED=1 cargo test --locked --test decide --test generated --test reference

.PHONY: fmt clippy doc vet
fmt:
	cargo fmt --check
clippy:
	cargo clippy --locked --all-targets -- -D warnings
doc:
	RUSTDOCFLAGS=-Dwarnings cargo doc --locked --no-deps
vet:
	@unformatted=$$(gofmt -l $(go_modules)); \
		[[ -z $$unformatted ]] || { echo "not formatted (gofmt -w mends it):" $$unformatted; exit 1; }
	for module in $(go_modules); do (cd $$module && $(go) vet -tags lab ./...); done

.PHONY: lint
lint: fmt clippy doc vet ## Formatting, lints and documentation

.PHONY: unit-rust unit-go
unit-rust:
	cargo test --locked --no-fail-fast $(TESTS)
unit-go:
	for module in $(go_modules); do (cd $$module && $(go) test -v ./...); done

.PHONY: unit
unit: unit-rust unit-go ## The tests that need no cluster

# Only the model itself is optimised: that is most of the gain, and a fraction of the time that all crates would take.
.PHONY: model
model: ## Check every order of events in a small cluster, some minutes; one model only with MODEL=NAME
	@program=$$(cargo rustc --locked --profile test --test model --message-format json-render-diagnostics -- -C opt-level=2 \
		| sed -n 's/.*"executable":"\([^"]*model-[^"]*\)".*/\1/p'); \
	MODEL=$(or $(MODEL),all) "$$program" the_rules_hold --nocapture

.PHONY: lab
lab: ## Start the local Kubernetes in .lab; nothing happens if it is up
	@$(lab) up

.PHONY: lab-down
lab-down: ## End it, with all its data
	@$(lab) down

.PHONY: install
install: image lab ## The operator of this working tree into the lab
	@deploy/install.sh

# Tests of missions wait for clocks and the kubelet, so many run side by side; those that harm the operator take turns.
.PHONY: e2e-admission e2e-lab e2e-replay e2e-operator e2e-node e2e-rights e2e-network
e2e-admission:
	cargo test --locked --test admission -- --ignored $(TESTS)
e2e-lab:
	cargo test --locked --test lab -- --ignored --test-threads=6 $(TESTS)
# What the operator decided meanwhile.
e2e-replay:
	@deploy/replay.sh $(binary)
e2e-operator:
	cargo test --locked --test operator -- --ignored --test-threads=1 $(TESTS)
# They lose a node, so the lab gets a second one; it starts again on its data for that.
e2e-node:
	@$(lab) up --nodes 2
	@deploy/install.sh
	cargo test --locked --test node -- --ignored --test-threads=1 $(TESTS)
# Whether the operator needed all its rights in the tests before.
e2e-rights:
	cargo test --locked --test rights -- --ignored $(TESTS)
# What the lab adds to Kubernetes, on two nodes.
e2e-network:
	@$(lab) up --nodes 2 --network-policy
	cd deploy/lab/e2e && LAB_DIR=$(abspath $(or $(LAB_DIR),.lab)) $(go) test -tags lab -count=1 -timeout 30m -parallel 4 -v . $(if $(TESTS),-run '$(TESTS)')

.PHONY: e2e
e2e: install e2e-admission e2e-lab e2e-replay e2e-operator e2e-node e2e-rights e2e-network ## The tests that need the lab, in the lab of `make lab`, which ends with two nodes

.PHONY: test
test: ## Everything above, in a lab of its own; ends with one line of numbers
	@deploy/test.sh

.PHONY: demo
demo: ## Watch an agent die and come back, in the lab
	@deploy/demo.sh

.PHONY: demo-down
demo-down: ## Remove what the demo left running
	@deploy/demo.sh down

.PHONY: bench
bench: ## The gateway under load and under attack, 11 minutes; shorter with BENCH_SECONDS=
	cargo bench --locked --bench gateway

# The lab starts again twice for it: one probe shows something only where no policies are enforced.
.PHONY: probes
probes: image ## Attack each isolation level from within, in the lab; all findings are in target/probes
	cd tests/probes && $(go) build -buildvcs=false -o $(abspath $(target))/probes/probe .
	@LAB_DIR=$(abspath $(or $(LAB_DIR),.lab)) PROJECT=$(CURDIR) RESULTS=$(abspath $(target))/probes $(target)/probes/probe lab

.PHONY: writes
writes: ## What the operator wrote to the lab's API server
	@$(lab) writes --user system:serviceaccount:lazarus-pit:lazarus-operator \
		$(if $(SINCE),--since $(SINCE)) $(if $(NAMESPACE),--namespace-prefix $(NAMESPACE))
