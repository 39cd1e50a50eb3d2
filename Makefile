# All that a developer or a CI run needs. `make` alone lists the targets.
# A recipe needs git, make, gcc and a Rust toolchain; everything else it sets up by itself.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Whole builds are faster without, and half as large.
export CARGO_INCREMENTAL ?= 0

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
TOOLS_BIN := target/tools/bin
CARGO_DENY_VERSION := 0.20.2

# Test binaries that are not part of `cargo test --workspace` (`test = false` in tests/Cargo.toml):
# the ones that need real PostgreSQL servers or programs of KWDB (or their double), the simulation (see below), and the ones that need root and
# real systemd hosts.
LOOPBACK_TESTS := loopback loopback_kwdb
# Of what `make package` makes: not in `make test`, because the portable release build alone takes longer than
# all of that may take.
PACKAGE_TESTS := packages bundle_whole bundle_troubles
# At once: they wait most of their time for PostgreSQL.
LOOPBACK_THREADS := 4
HOST_TESTS := testbed hosts_bootstrap hosts_upgrade hosts_scenario hosts_adopted hosts_plain hosts_kwdb hosts_bookkeeper bundle_whole
KILL_TESTS := kills
KWDB_TESTS := loopback_kwdb hosts_kwdb
BOOKKEEPER_TESTS := loopback_bookkeeper hosts_bookkeeper

.PHONY: help setup setup-hosts setup-kills setup-package setup-bookkeeper setup-rust tools build package dev-bundle hosts hosts-down lint build-tests test test-unit test-loopback test-matrix test-hosts test-package test-kills test-kwdb test-bookkeeper demo bench bench-hosts crash-matrix soak fuzz replay defects keep-protocol

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: ## Debian packages for tests and demo (nothing to do: no root, no network needed)
	@tests/scripts/setup-packages servers

setup-hosts: setup ## Debian packages for the testbed of real systemd hosts
	@tests/scripts/setup-packages hosts

setup-kills: setup-hosts ## Debian packages for the kill points
	@tests/scripts/setup-packages kills

setup-package: ## Debian packages for `make package`
	@tests/scripts/setup-packages package

setup-bookkeeper: ## the real BookKeeper for tests, about 100 MB of jars (once there, no network needed)
	@tests/scripts/setup-bookkeeper

setup-rust: ## the rustup components that `make lint` uses
	@tests/scripts/setup-rust

# Built from source: the prebuilt cargo-deny of the package registries is too old for this workspace.
# Without optimisation and debug information it builds in a third of the time, and a run still takes 2 s.
$(TOOLS_BIN)/cargo-deny-$(CARGO_DENY_VERSION):
	CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root target/tools \
		--target-dir target/tools/build cargo-deny@$(CARGO_DENY_VERSION)
	rm -rf target/tools/build
	ln -sf cargo-deny $@

tools: $(TOOLS_BIN)/cargo-deny-$(CARGO_DENY_VERSION) ## the programs that `make lint` uses, built into target/tools

build: ## the programs, release profile
	cargo build --locked --release -p bellows -p bellows-agent

ARCH ?= x86_64
package: setup-package ## portable programs, .deb, .rpm, .tar.gz and the offline bundle in target/bundle (ARCH=aarch64, SIGN_KEY=FILE)
	packaging/scripts/package $(ARCH)

# For the tests that begin with a bundle: of the programs as cargo built them, in seconds instead of many minutes.
dev-bundle: setup-package build-tests
	packaging/scripts/dev-bundle $(TARGET_DIR)/debug

lint: setup-rust tools ## format, clippy with warnings as errors, licences and sources of the dependencies
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(TOOLS_BIN)/cargo-deny --log-level warn --locked check bans licenses sources

# Always the whole workspace: it builds the programs that the scenarios run, and everything once only.
# The tests wait most of their time, so they run side by side; the simulation is built beside their own
# build, and runs with what they leave of the processors, so that no deadline of theirs passes for want of them.
test: setup ## unit tests, the end-to-end tests on loopback, and the whole crash matrix
	$(MAKE) --jobs=3 --keep-going test-unit test-loopback test-matrix

build-tests:
	cargo test --locked --workspace --no-run

test-unit: setup build-tests
	cargo test --locked --no-fail-fast --workspace

test-loopback: setup build-tests ## the end-to-end tests on loopback alone
	cargo test --locked --no-fail-fast --workspace $(addprefix --test ,$(LOOPBACK_TESTS)) \
		-- --test-threads=$(LOOPBACK_THREADS)

test-matrix:
	cargo test $(SIMULATION) --quiet --test matrix --no-run
	nice -n 19 cargo test $(SIMULATION) --quiet --test matrix

# A profile of its own: with the switch for seeded defects nothing is built that is released.
SIMULATION := --locked --profile simulation -p bellows-simulation --features defects
SIMULATION_RUN := cargo run $(SIMULATION) --quiet --

crash-matrix: ## every crash point of every operation, and 1,000 random schedules, simulated
	$(SIMULATION_RUN) matrix

SCHEDULES ?= 100000
FIRST ?= 1
soak: ## 100,000 random schedules (SCHEDULES=N, FIRST=seed)
	$(SIMULATION_RUN) soak $(SCHEDULES) $(FIRST)

defects: ## the programs made wrong on purpose, each defect by itself: the simulation must find it
	cargo test $(SIMULATION) --test defects -- --nocapture

CASES ?= 100000
fuzz: ## the parsers of what tools print, with CASES random outputs each (CASES=100000)
	PROPTEST_CASES=$(CASES) cargo test --locked -p bellows-agent --lib -- tools:: exec::capture host::net

RUN ?=
replay: ## one simulated run told in full (RUN='system/operation seed faults', as a failure prints it)
	$(SIMULATION_RUN) run $(RUN)

N ?= 4
hosts: setup-hosts ## real systemd hosts on this machine, left up for you (N=4; root)
	cargo build --locked --quiet -p bellows-tests --bin bellows-hosts
	@$(TARGET_DIR)/debug/bellows-hosts up $(N)

hosts-down: ## takes just these down, also after a kill
	cargo build --locked --quiet -p bellows-tests --bin bellows-hosts
	@$(TARGET_DIR)/debug/bellows-hosts down

test-hosts: setup-hosts setup-bookkeeper build-tests dev-bundle ## scenarios on real systemd hosts on this machine, one of them from a bundle (root)
	cargo test --locked --no-fail-fast --workspace $(addprefix --test ,$(HOST_TESTS))

test-package: setup-hosts package ## the portable bundle on real systemd hosts: its life, and a site from it alone through troubles (root)
	BELLOWS_BUNDLE=$(CURDIR)/target/bundle cargo test --locked -p bellows-tests $(addprefix --test ,$(PACKAGE_TESTS)) -- --test-threads=2

test-kills: setup-kills build-tests ## real kills and troubles, some 90 points under a writer (root, about half an hour; KILLS="words" plays some)
	cargo test --locked --workspace $(addprefix --test ,$(KILL_TESTS)) -- $(if $(KILLS),"$(KILLS)")

# The double stands for KWDB, which is in no registry.
KWBASE ?=
test-kwdb: setup-hosts build-tests ## KWDB's adapter, on loopback and on real hosts (root; KWBASE=/path tests another kwbase than the double)
	KWBASE='$(KWBASE)' cargo test --locked --no-fail-fast -p bellows-agent --test kwdb_tools
	KWBASE='$(KWBASE)' cargo test --locked --no-fail-fast -p bellows-tests $(addprefix --test ,$(KWDB_TESTS))

test-bookkeeper: setup-hosts setup-bookkeeper build-tests ## BookKeeper's adapter with the real BookKeeper, on loopback and on real hosts (root)
	cargo test --locked --no-fail-fast -p bellows-agent --test bookkeeper_tools -- --test-threads 1
	cargo test --locked --no-fail-fast -p bellows-tests $(addprefix --test ,$(BOOKKEEPER_TESTS))

keep-protocol: ## keep the protocol of this version in proto/releases; never over another one (NAME=VERSION)
	cargo run --locked --quiet -p bellows-proto --example keep_release -- $(NAME)

demo: setup $(if $(filter bookkeeper,$(SYSTEM)),setup-bookkeeper) ## a repmgr cluster grows and shrinks before your eyes, under 3 minutes once built (SYSTEM=kwdb: KWDB's double; SYSTEM=bookkeeper: the real one)
	cargo build --locked --release -p bellows -p bellows-agent -p bellows-tests -p bellows-doubles --bins
	$(TARGET_DIR)/release/bellows-demo

bench-hosts: setup-hosts ## how long it takes to add twenty real hosts by ssh (root)
	cargo build --locked -p bellows -p bellows-agent
	cargo test --locked -p bellows-tests --test hosts_twenty -- --nocapture

bench: ## how long a start and a list take with 10,000 operations and 1,000,000 events
	cargo bench --locked -p bellows --bench store
