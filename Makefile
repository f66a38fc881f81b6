# One word a job. Each works on a fresh machine: what is missing is installed, or named where that is not possible.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# One job after the other: each uses all cores by itself, and their output is for reading.
.NOTPARALLEL:
# Where rustup puts cargo; a shell that was not opened anew since does not look there.
export PATH := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)

LAB := fixtures/lab/lab

.PHONY: help demo test full check deny lab-kubernetes lab-up lab-down lab-status bench setup

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

demo: setup ## a real database switch, from nothing to the end, in about a minute after the build
	@fixtures/demo

test: setup ## all checks and tests
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --all-targets --no-default-features -- -D warnings
	cargo test
	cargo run --quiet -- lint playbooks

full: export PLAYBOOK_TEST_KILLS := $(or $(PLAYBOOK_TEST_KILLS),2000)
full: export PLAYBOOK_TEST_FUZZ_CASES := $(or $(PLAYBOOK_TEST_FUZZ_CASES),5000)
full: export PLAYBOOK_TEST_JOURNAL_FAULTS := $(or $(PLAYBOOK_TEST_JOURNAL_FAULTS),1000)
full: export PLAYBOOK_TEST_POWER_CUTS := $(or $(PLAYBOOK_TEST_POWER_CUTS),60)
full: export PLAYBOOK_TEST_EDITS := $(or $(PLAYBOOK_TEST_EDITS),300)
full: export PLAYBOOK_TEST_KUBERNETES := required
full: lab-kubernetes test deny ## the same with the long jobs (many kills, requests made at random), for a night or a release

deny: ## licences and sources of all parts, and advisories where their database is at hand (cargo-deny)
	@fixtures/deny

check: ## the fast inner loop: format, clippy, unit tests, without the heavy features
	cargo fmt --check
	cargo clippy --no-default-features --lib --bins -- -D warnings
	cargo test --no-default-features --lib

lab-kubernetes: ## build the servers of the scene `kubernetes`, once (about eight minutes; needs Debian 12)
	@fixtures/lab/kubernetes

lab-up: setup ## start a lab to play with, SCENE=database unless told (its inventory is named at the end)
	@$(LAB) up $(SCENE)

lab-down: ## stop it and remove its folder
	@$(LAB) down $(SCENE)

lab-status: ## say what of it is up
	@$(LAB) status $(SCENE)

bench: setup ## speed beside its peers, as ratios in one run; the peers are installed once (ONLY=ssh,check ROUNDS=3 UPDATE=1)
	cargo build --release --quiet --bins --examples
	@fixtures/bench/run

setup: ## install what is missing (Debian packages)
	@fixtures/setup
