# Two commands for a newcomer: `make run` and `make test`. The rest is for those who stay.
# `make help` lists them. Everything built lies in .build/ and .venv/.

SHELL := /bin/bash
export PATH := $(PATH):/opt/swift/usr/bin
PREFIX ?= /usr/local
DESTDIR ?=
ROUNDS ?=

# Unit tests are built with the thread sanitizer, which finds what no other run does. Outside programs test the release
# build, which is what people run: an optimiser's fault once ended the service with each purge, and no debug build
# showed it.
STRICT := --explicit-target-dependency-import-check error
RELEASE := swift build -c release --static-swift-stdlib $(STRICT)
# A trap that a test expects needs no backtrace, which Swift makes with threads that the sanitizer does not know.
SANITIZED = SWIFT_BACKTRACE=enable=no swift test --disable-xctest --scratch-path .build/$(1)-sanitizer$(addprefix -,$(CALLVAULT_FLOOR)) \
  --sanitize=$(1) $(STRICT)

# Each step with its hour: where the time goes is to be seen in what a run printed.
SAY := printf '== %s (%(%H:%M:%S)T)\n'

# What a later step needs is built while an earlier one runs, in the class that gets only what others leave idle.
IDLY := $(shell chrt --idle 0 true 2>/dev/null && echo chrt --idle 0)

.PHONY: help run demo test unit unit-build mechanisms outside check lint build wording bench fuzz sanitize torture
.PHONY: fuzzer-debug fuzzer-release docs install release bootstrap clean

help:
	@sed -n 's/^## //p' Makefile

## run        a demonstration vault with real telephone speech, then a service on https://127.0.0.1:8443
run: release
	@.build/release/callvault demo --dir .build/demo --serve

## demo       the same, but it ends after the demonstration
demo: release
	@.build/release/callvault demo --dir .build/demo

## test       everything: checks, unit tests, outside programs against the built binary, fuzzing
test: bootstrap lint wording unit-build
	@$(MAKE) --no-print-directory -j2 unit idly-release
	@$(MAKE) --no-print-directory mechanisms
	@$(MAKE) --no-print-directory -j2 outside idly-fuzzer-debug
	@$(MAKE) --no-print-directory fuzz

# Sanitizers replace mlock by nothing, so the two tests of locked pages are for the debug build and for
# 66-key-memory. Every changed bit keeps both processors busy for minutes, in which others would miss their time
# limits; those of HTTP, which have the client's and the server's, go by themselves.
LOCKED := theKernelKeepsThePagesLocked|withoutLockedMemory
LONG := everyChangedBitIsFound
TIMED := HTTPTests|HTTPClientTests

## unit       the unit tests under the thread sanitizer
unit: unit-build
	@$(SAY) "unit tests"
	$(call SANITIZED,thread) --skip-build --skip '$(LOCKED)|$(LONG)|$(TIMED)'
	@$(SAY) "unit tests of HTTP"
	$(call SANITIZED,thread) --skip-build --filter '$(TIMED)'
	@$(SAY) "every changed bit of a log"
	$(call SANITIZED,thread) --skip-build --filter '$(LONG)'

unit-build: bootstrap
	@$(SAY) "build of the unit tests (the first takes some minutes)"
	swift build --build-tests --scratch-path .build/thread-sanitizer --sanitize=thread $(STRICT)

# Leaks count, so it is a build of its own; both take three minutes, and the same of everything half an hour.
## mechanisms the unit tests of the floor that handles addresses, under the address sanitizer, leaks included
mechanisms: export CALLVAULT_FLOOR := mechanisms
mechanisms: bootstrap
	@$(SAY) "unit tests of the mechanisms under the address sanitizer"
	CALLVAULT_ROUNDS=50 $(call SANITIZED,address) --skip '$(LOCKED)'

## outside    outside programs against the release build; parts that they ask by themselves have the sanitizer
outside: release unit-build
	@$(SAY) "outside programs"
	@TOOLS=.build/thread-sanitizer/debug Tests/Outside/run .build/release/callvault

idly-%:
	@$(IDLY) $(MAKE) --no-print-directory $*

## check      formatting, one-way imports, wording: what a reviewer should not have to look for
check: bootstrap lint wording build

lint:
	@$(SAY) "swift format lint"
	swift format lint --strict --parallel --recursive Package.swift Sources Tests Benchmarks

wording:
	@$(SAY) "wording"
	@python3 Tests/Tidy/wording.py

build: bootstrap
	@$(SAY) "debug build with tests (the first takes some minutes)"
	swift build --build-tests $(STRICT)

release:
	@./bootstrap.sh --build
	@$(SAY) "release build (the first takes some minutes)"
	$(RELEASE) --product callvault

## bench      figures beside their peers, over an hour; BENCH='seal list' or BENCH=--quick for less
bench: release
	@Benchmarks/run $(BENCH)

# Optimised it takes ten minutes more to build, which pays for hours of fuzzing and not for ten seconds.
# The last of several sanitizers alone decides what the compiler adds, so coverage is asked for by
# name; lld drops its tables unless told not to; some promises are about what is not public.
FUZZER = swift build -c $(1) --sanitize=fuzzer --sanitize=address --product callvault-fuzz \
  --scratch-path .build/fuzz $(STRICT) -Xswiftc -DFUZZING -Xswiftc -enable-testing \
  -Xswiftc -sanitize-coverage=edge,trace-cmp,inline-8bit-counters,pc-table \
  -Xswiftc -use-ld=lld -Xlinker -z -Xlinker nostart-stop-gc \
  $(foreach table,8bit_counters pcs,-Xlinker --wrap=__sanitizer_cov_$(table)_init)

fuzzer-debug fuzzer-release: fuzzer-%: bootstrap
	@$(SAY) "build for libFuzzer (the first takes some minutes)"
	$(call FUZZER,$*)

## fuzz       libFuzzer on every parser, FUZZ_SECONDS=n each (default 10), TARGETS=… for some only
fuzz: fuzzer-debug
	@$(SAY) "fuzzing"
	@Tests/Fuzz/run .build/fuzz/debug/callvault-fuzz --seconds $(or $(FUZZ_SECONDS),10) $(TARGETS)

# Few mutations: libFuzzer makes more of them with the same sanitizer. Its shadow alone is more memory than the child
# that reads audio may have.
## sanitize   the unit tests under the address sanitizer, leaks included
sanitize: export LSAN_OPTIONS := suppressions=$(CURDIR)/Tests/runtime-leaks.txt
sanitize: bootstrap
	@$(SAY) "unit tests under the address sanitizer (the first build takes some minutes)"
	CALLVAULT_ROUNDS=50 $(call SANITIZED,address) --skip '$(LOCKED)|$(TIMED)|LockdownTests'
	CALLVAULT_ROUNDS=50 $(call SANITIZED,address) --skip-build --filter '$(TIMED)'

## torture    kills the program 1000 times, fails its disk, volume, clock and power, fuzzes for hours
torture: build fuzzer-release
	@for round in $$(seq 1 $(or $(ROUNDS),10)); do \
	  echo "== round $$round"; \
	  CALLVAULT_TORTURE=1 swift test --skip-build --disable-xctest --filter 'SimulatorTests|CrowdTests|DurableTests|AuditLogTests|DriverTests|LossTests|AudioProbeTests|KeyTests|ExcisionTests|BackupTests|TamperMatrixTests|OutageSimulationTests' \
	    || exit 1; \
	done
	@$(SAY) "kills"
	@Tests/Torture/kill.py --kills $(or $(KILLS),1000)
	@$(SAY) "kills of rotations, ratchets, purges, backups, restores and ceremonies"
	@Tests/Torture/key_kills.py --kills $(or $(KILLS),2000)
	@Tests/Torture/ceremony_kills.py --kills $(or $(KILLS),300)
	@$(SAY) "a failing disk"
	@Tests/Torture/strace_faults.py
	@Tests/Torture/strace_faults.py --onward --step 3 --calls fsync,fdatasync,pwrite64,rename,link,ftruncate,fallocate
	@Tests/Torture/strace_faults.py --step 5 --calls write,pwrite64,fdatasync,rename,openat --errors EROFS
	@Tests/Torture/strace_faults.py --step 5 --calls openat --errors EMFILE
	@$(SAY) "full and read-only volumes, power cuts"
	@Tests/Torture/volume.py
	@$(SAY) "clocks, old copies, two processes"
	@Tests/Torture/clock_steps.py
	@Tests/Torture/old_copies.py
	@Tests/Torture/two_processes.py
	@$(SAY) "faults and kills of backups and restores"
	@CALLVAULT_TORTURE=1 CALLVAULT_OUTSIDE_SECONDS=36000 \
	  Tests/Outside/run .build/debug/callvault 69-backup-faults
	@CALLVAULT_BACKUP_KILLS=$(or $(KILLS),200) CALLVAULT_OUTSIDE_SECONDS=36000 \
	  Tests/Outside/run .build/debug/callvault 64-backup
	@$(SAY) "a million numbers, tampered logs by the thousand"
	@CALLVAULT_DICTIONARY=1000000 CALLVAULT_TAMPERINGS=3000 CALLVAULT_OUTSIDE_SECONDS=36000 \
	  Tests/Outside/run .build/debug/callvault 13-verify-py 14-dictionary
	@$(SAY) "a million simulated outages, and real ones twenty times each"
	@CALLVAULT_ROUNDS=$(or $(OUTAGES),1000000) swift test --skip-build --disable-xctest --filter OutageSimulationTests
	@CALLVAULT_FAULT_ROUNDS=20 CALLVAULT_OUTSIDE_SECONDS=36000 \
	  Tests/Outside/run .build/debug/callvault 78-failover-faults
	@$(SAY) "fuzzing"
	@Tests/Fuzz/run .build/fuzz/release/callvault-fuzz --runs $(or $(FUZZ_RUNS),10000000) \
	  --onward .build/fuzz-progress $(TARGETS)
	@$(SAY) "hostile clients"
	@CALLVAULT_HOSTILE_ROUNDS=$(or $(ROUNDS),10) CALLVAULT_LEAK_ROUNDS=400 \
	  CALLVAULT_OUTSIDE_SECONDS=36000 Tests/Outside/run .build/debug/callvault 41-hostile 43-leaks

## docs       the API's pages as a web site in .build/site
docs: bootstrap
	@Documentation/build

## install    the program and its systemd unit below PREFIX (default /usr/local)
install: release
	install -D -m 0755 .build/release/callvault $(DESTDIR)$(PREFIX)/bin/callvault
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|@PREFIX@|$(PREFIX)|g' Documentation/callvault.service \
	  > $(DESTDIR)$(PREFIX)/lib/systemd/system/callvault.service
	sed 's|@PREFIX@|$(PREFIX)|g' Documentation/callvault-failover.service \
	  > $(DESTDIR)$(PREFIX)/lib/systemd/system/callvault-failover.service
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/callvault/policies Policies/*.yaml Policies/*.json

## bootstrap  Debian packages and Python programs that the above need, only when missing
bootstrap:
	@./bootstrap.sh

## clean      removes what was built
clean:
	rm -rf .build .venv
