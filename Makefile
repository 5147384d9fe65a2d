# What a person types. Each target says what it does by `make help`; the work is done by the scripts it names.

PREFIX ?= /usr/local
DESTDIR ?=
SWIFT ?= swift
# `make DEPS=skip …` takes what is installed as it is (another distribution, no right to install).
DEPS ?=

STAGE := $(CURDIR)/.stage

.DEFAULT_GOAL := help
.PHONY: help deps build install uninstall stage stack demo test bench fuzz lint format check-linkage clean

help: ## Says what can be made
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; do \
	    printf '  make %-15s %s\n' "$$target" "$$text"; done
	@echo
	@echo "  PREFIX=$(PREFIX)   where make install puts it; DEPS=skip installs no Debian packages"

deps: ## Installs the Debian packages that are missing; checks for Swift and Rust
	@[ "$(DEPS)" = skip ] || scripts/install-deps

build: deps ## Builds the release programs
	$(SWIFT) build -c release --static-swift-stdlib

install: build ## Builds and installs to PREFIX
	DESTDIR="$(DESTDIR)" scripts/install "$(PREFIX)"
	@echo 'next: `$(PREFIX)/bin/larder setup` makes Cargo use it; or set RUSTC_WRAPPER=$(PREFIX)/bin/larder'

uninstall: ## Removes what make install put into PREFIX
	DESTDIR="$(DESTDIR)" scripts/install --remove "$(PREFIX)"

stage: build
	@DESTDIR= scripts/install "$(STAGE)"

stack: ## Starts a Redis and a memcached for trying things out, prints what to set, ends them on Ctrl-C
	@scripts/stack

demo: stage ## Builds a real Rust project twice, the second time from the cache
	demo/run "$(STAGE)"

test: stage ## Runs all tests
	LARDER_STAGE="$(STAGE)" $(SWIFT) test --disable-xctest

bench: stage ## Measures against plain Cargo, sccache, zccache and a floor (BENCH="--rounds 1 …")
	bench/bench --stage "$(STAGE)" $(BENCH)

fuzz: deps ## Fuzzes what reads bytes from elsewhere for a minute (SECONDS=…)
	scripts/fuzz $(SECONDS)

lint: deps ## Checks formatting, scripts, warnings and what the tree must not hold
	$(SWIFT) format lint --recursive --parallel --strict Package.swift Sources Tests
	scripts/lint
	LARDER_STRICT=1 $(SWIFT) build --build-tests

format: ## Formats the Swift and Rust sources
	$(SWIFT) format --in-place --recursive --parallel Package.swift Sources Tests
	cd demo/program && cargo fmt --all
	cd Tests/Projects/workspace && cargo fmt --all

check-linkage: build ## Checks what the release programs are linked to
	scripts/check-linkage .build/release

clean: ## Removes everything that make made
	rm -rf .build .stage .bench
