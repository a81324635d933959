# `make` lists what there is. Nothing here needs more than make itself, Debian or Ubuntu, and root or
# sudo for what has to be installed (.ci/packages says what and why).

# Where `make trace` writes. Git does not know this directory; the profiles that the project keeps
# are in profiles/.
OUT = out
# The program to trace, as typed into a shell: NODE="./polkadot --chain=westend".
NODE =
# More options for `seccomp-gen trace`: TRACE_FLAGS="--for 10m --name polkadot". The demo has its name
# and its time already: RUN_FOR=60s and BLOCKS=50000 change its size.
TRACE_FLAGS =
# What `make bench` measures: BENCH="storm redis --runs 11"; BENCH=--help tells more.
BENCH =

CARGO = .ci/cargo
# The tests send signals that `nohup make test`, for one, would have ignored.
DEFAULT = env --default-signal=HUP,INT,QUIT,TERM
RELEASE = $${CARGO_TARGET_DIR:-target}/release

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: trace
trace: ## Build, and trace the bundled demo node, or NODE="./polkadot --chain=westend", into OUT=out
	@.ci/provide trace
ifeq ($(strip $(NODE)),)
	@$(CARGO) build --release --locked --package seccomp-gen --package demo-node
	@exec fixtures/demo-pair.sh "$(RELEASE)" --output "$(OUT)" $(TRACE_FLAGS)
else
	@$(CARGO) build --release --locked --package seccomp-gen
	@exec "$(RELEASE)/seccomp-gen" trace --output "$(OUT)" $(TRACE_FLAGS) -- $(NODE)
endif

.PHONY: test
test: root ## Run all tests, as root; installs the programs that they run and compare with
	@.ci/provide test
	@$(DEFAULT) $(CARGO) test --workspace --locked --no-fail-fast

.PHONY: soak
soak: root ## The same with the full number of repetitions
	@.ci/provide test
	@SECCOMP_GEN_SOAK=1 $(DEFAULT) $(CARGO) test --workspace --locked --no-fail-fast

.PHONY: bench
bench: root ## Measure what tracing costs, beside strace and bpftrace, as root: a Markdown table
	@.ci/provide test
	@$(DEFAULT) $(CARGO) bench --locked --bench overhead -- $(BENCH)

# Tests attach to others' processes, change users and namespaces, and load programs into the kernel.
.PHONY: root
root:
	@test "$$(id -u)" -eq 0 || { echo "the tests need root: sudo make test" >&2; exit 1; }

.PHONY: lint
lint: ## Check formatting, and let clippy look
	@.ci/provide lint
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

.PHONY: clean
clean: ## Remove what was built and what `make trace` wrote
	@$(CARGO) clean
	@rm -rf out
