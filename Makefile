# Two commands for a newcomer: `make run` and `make test`. The rest is for those who stay.
# `make help` lists them. Everything built lies in .build/ and .venv/.

SHELL := /bin/bash
export PATH := $(PATH):/opt/swift/usr/bin
PREFIX ?= /usr/local
DESTDIR ?=
ROUNDS ?=

# Debug builds serve checks and unit tests. Outside programs test the release build, which is what people run: an
# optimiser's fault once ended the service with each purge, and no debug build showed it.
STRICT := --explicit-target-dependency-import-check error
RELEASE := swift build -c release --static-swift-stdlib $(STRICT)

.PHONY: help run demo test check lint build wording bench fuzz fuzzer sanitize torture docs install
.PHONY: sanitize-thread sanitize-address bootstrap clean

help:
	@sed -n 's/^## //p' Makefile

## run        a demonstration vault with real telephone speech, then a service on https://127.0.0.1:8443
run: release
	@.build/release/callvault demo --dir .build/demo --serve

## demo       the same, but it ends after the demonstration
demo: release
	@.build/release/callvault demo --dir .build/demo

# Keeps both processors busy for minutes, in which others would miss their time limits; those of HTTP,
# which have the client's and the server's, go by themselves.
LONG := everyChangedBitIsFound
TIMED := HTTPTests|HTTPClientTests

## test       everything: checks, unit tests, outside programs against the built binary, fuzzing, races
test: check
	@echo "== unit tests"
	swift test --skip-build --disable-xctest --skip '$(LONG)|$(TIMED)'
	@echo "== unit tests of HTTP"
	swift test --skip-build --disable-xctest --filter '$(TIMED)'
	@echo "== every changed bit of a log"
	swift test --skip-build --disable-xctest --filter '$(LONG)'
	@$(MAKE) --no-print-directory release
	@echo "== outside programs"
	@Tests/Outside/run .build/release/callvault
	@$(MAKE) --no-print-directory fuzz
	@$(MAKE) --no-print-directory sanitize-thread

## check      formatting, one-way imports, wording: what a reviewer should not have to look for
check: bootstrap lint wording build

lint:
	@echo "== swift format lint"
	swift format lint --strict --parallel --recursive Package.swift Sources Tests Benchmarks

wording:
	@echo "== wording"
	@python3 Tests/Tidy/wording.py

build: bootstrap
	@echo "== debug build with tests (the first takes some minutes)"
	swift build --build-tests $(STRICT)

.PHONY: release
release:
	@./bootstrap.sh --build
	@echo "== release build (the first takes some minutes)"
	$(RELEASE) --product callvault

## bench      figures beside their peers, about 40 minutes; BENCH='seal list' or BENCH=--quick for less
bench: release
	@Benchmarks/run $(BENCH)

# The last of several sanitizers alone decides what the compiler adds, so coverage is asked for by
# name; lld drops its tables unless told not to; some promises are about what is not public.
FUZZER := swift build -c release --sanitize=fuzzer --sanitize=address --product callvault-fuzz \
  --scratch-path .build/fuzz $(STRICT) -Xswiftc -DFUZZING -Xswiftc -enable-testing \
  -Xswiftc -sanitize-coverage=edge,trace-cmp,inline-8bit-counters,pc-table \
  -Xswiftc -use-ld=lld -Xlinker -z -Xlinker nostart-stop-gc

fuzzer: bootstrap
	@echo "== build for libFuzzer (the first takes some minutes)"
	$(FUZZER)

## fuzz       libFuzzer on every parser, FUZZ_SECONDS=n each (default 10), TARGETS=… for some only
fuzz: fuzzer
	@echo "== fuzzing"
	@Tests/Fuzz/run .build/fuzz/release/callvault-fuzz --seconds $(or $(FUZZ_SECONDS),10) $(TARGETS)

# Sanitizers replace mlock by nothing, so the two tests of locked pages cannot pass.
# Fewer mutations: what counts here is that each line runs, and time. A trap that a test expects needs
# no backtrace, which Swift makes with threads that the sanitizer does not know. The long sweeps repeat
# what other tests run once (SWEEPS= takes them in, for ten minutes more).
SWEEPS := everyChangedByteIsFound|$(LONG)|everyMovedEntryAndEveryOldFileIsNamed|$\
  aJournalCutAtAnyByte|aJournalChangedInTheMiddle|whateverCallFails|whicheverCallFails|$\
  nothingAcknowledgedIsLost|everyObjectCallFails|everyCallFails|everyEntryFails|$\
  aWitnessNeverContradictsItself|whatCountsAsAnchoredIsKept|$\
  eachChangedByteIsRefusedByBoth|headsOfImpossibleSizesEnd|changedFoldersAlwaysHaveAVerdict|$\
  storageThatFailsLeavesOldOrNew|sqliteIsACatalog
SANITIZED = CALLVAULT_ROUNDS=50 SWIFT_BACKTRACE=enable=no swift test --disable-xctest \
  --sanitize=$(1) --scratch-path .build/$(1)-sanitizer
LEFT_OUT := theKernelKeepsThePagesLocked|withoutLockedMemory$(if $(SWEEPS),|$(SWEEPS))

## sanitize   the unit tests under the thread and the address sanitizer, leaks included
sanitize: sanitize-thread sanitize-address

sanitize-thread sanitize-address: sanitize-%: bootstrap
	@echo "== unit tests under the $* sanitizer (the first build takes some minutes)"
	$(call SANITIZED,$*) --skip '$(LEFT_OUT)|$(TIMED)'
	$(call SANITIZED,$*) --skip-build --filter '$(TIMED)'

## torture    kills the program 1000 times, fails its disk, volume, clock and power, fuzzes for hours
torture: build fuzzer
	@for round in $$(seq 1 $(or $(ROUNDS),10)); do \
	  echo "== round $$round"; \
	  CALLVAULT_TORTURE=1 swift test --skip-build --disable-xctest --filter 'SimulatorTests|CrowdTests|DurableTests|AuditLogTests|DriverTests|LossTests|AudioProbeTests|KeyTests|ExcisionTests|BackupTests|TamperMatrixTests|OutageSimulationTests' \
	    || exit 1; \
	done
	@echo "== kills"
	@Tests/Torture/kill.py --kills $(or $(KILLS),1000)
	@echo "== kills of rotations, ratchets, purges, backups, restores and ceremonies"
	@Tests/Torture/key_kills.py --kills $(or $(KILLS),2000)
	@Tests/Torture/ceremony_kills.py --kills $(or $(KILLS),300)
	@echo "== a failing disk"
	@Tests/Torture/strace_faults.py
	@Tests/Torture/strace_faults.py --onward --step 3 --calls fsync,fdatasync,pwrite64,rename,link,ftruncate,fallocate
	@Tests/Torture/strace_faults.py --step 5 --calls write,pwrite64,fdatasync,rename,openat --errors EROFS
	@Tests/Torture/strace_faults.py --step 5 --calls openat --errors EMFILE
	@echo "== full and read-only volumes, power cuts"
	@Tests/Torture/volume.py
	@echo "== clocks, old copies, two processes"
	@Tests/Torture/clock_steps.py
	@Tests/Torture/old_copies.py
	@Tests/Torture/two_processes.py
	@echo "== faults and kills of backups and restores"
	@CALLVAULT_TORTURE=1 CALLVAULT_OUTSIDE_SECONDS=36000 \
	  Tests/Outside/run .build/debug/callvault 69-backup-faults
	@CALLVAULT_BACKUP_KILLS=$(or $(KILLS),200) CALLVAULT_OUTSIDE_SECONDS=36000 \
	  Tests/Outside/run .build/debug/callvault 64-backup
	@echo "== a million numbers, tampered logs by the thousand"
	@CALLVAULT_DICTIONARY=1000000 CALLVAULT_TAMPERINGS=3000 CALLVAULT_OUTSIDE_SECONDS=36000 \
	  Tests/Outside/run .build/debug/callvault 13-verify-py 14-dictionary
	@echo "== a million simulated outages, and real ones twenty times each"
	@CALLVAULT_ROUNDS=$(or $(OUTAGES),1000000) swift test --skip-build --disable-xctest --filter OutageSimulationTests
	@CALLVAULT_FAULT_ROUNDS=20 CALLVAULT_OUTSIDE_SECONDS=36000 \
	  Tests/Outside/run .build/debug/callvault 78-failover-faults
	@echo "== fuzzing"
	@Tests/Fuzz/run .build/fuzz/release/callvault-fuzz --runs $(or $(FUZZ_RUNS),10000000) $(TARGETS)
	@echo "== hostile clients"
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
