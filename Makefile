# SPDX-License-Identifier: GPL-2.0-only
# The build, by phase: tools, bpf, skeleton, core, program, tests, install. `make help` lists the goals.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

# ---- settings -----------------------------------------------------------------------------------
# V=1 shows commands, SAN=1 adds the sanitizers, DEBUG=1 drops optimisation, WERROR=1 is CI's.

VERSION := 0.1
CC      ?= gcc
CLANG   ?= clang
HOST    := $(shell uname -m | sed 's/aarch64/arm64/')
ARCH    := $(HOST)
BPFARCH := $(ARCH:x86_64=x86)
CROSS   := $(filter-out $(ARCH),arm64)
BUILD   ?= build$(if $(filter-out $(HOST),$(ARCH)),/$(ARCH))
PREFIX  ?= /usr/local
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes $(if $(WERROR),-Werror)
CPPFLAGS += -D_GNU_SOURCE -DPORTTRACE_VERSION='"$(VERSION)"' -Isrc -Iinclude -I$(BUILD)
CFLAGS   += -std=gnu11 -g $(if $(DEBUG),-O0,-O2) $(WARNINGS) -MMD -MP
ifdef SAN
CFLAGS   += -fsanitize=address,undefined,float-cast-overflow -fno-omit-frame-pointer \
            -fno-sanitize-recover=undefined,float-cast-overflow
LDFLAGS  += -fsanitize=address,undefined,float-cast-overflow
endif
# New kernels (7.2) are built with -fms-extensions; so is the C of their types.
BPFFLAGS := -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_$(BPFARCH) -Ivmlinux/$(ARCH) -Iinclude -Ibpf \
            -fms-extensions -Wno-microsoft-anon-tag -Wall -Wno-compare-distinct-pointer-types \
            $(if $(WERROR),-Werror) -MMD -MP

# Another machine's program, ARCH=arm64: its libraries are Debian's packages for it, unpacked into a cache.
SYSROOT_OF = ./tools/fetch-debs --arch=$(1) sysroot-$(1) libbpf-dev libyajl-dev libcmocka-dev uthash-dev
ifneq ($(ARCH),$(HOST))
TRIPLET := $(ARCH:arm64=aarch64)-linux-gnu
SYSROOT := $(shell $(call SYSROOT_OF,$(ARCH)))
$(if $(SYSROOT),,$(error no libraries for $(ARCH)))
CC      := $(TRIPLET)-gcc --sysroot=$(SYSROOT)
AR      := $(TRIPLET)-ar
endif

# ---- sources, as the data flows -----------------------------------------------------------------

BPF := read emit filter sock task record churn timewait twsk search port_usage holder cgroup port fentry kprobe \
       tracepoint iter

CORE := \
	util/address util/clock util/display_width util/errno_name util/exec_name util/escape util/nearest \
	util/shell_loop util/time_format \
	model/wire_check model/wire_filter model/wire_event model/model model/apply \
	model/failure_ring model/repeat_table model/reservation_ring model/closed_cache model/closed_servers model/port_table model/process_table model/netns_table \
	model/flow_table model/search_table model/pool_table model/slab source/capture source/socket_list \
	source/chunk_reader probe/verifier_log cmd/option_table cmd/option_values cmd/target loop \
	$(patsubst src/%.c,%,$(wildcard src/system/*.c)) \
	$(patsubst src/%.c,%,$(wildcard src/diagnose/*.c)) \
	$(patsubst src/%.c,%,$(wildcard src/render/*.c)) \
	$(patsubst src/%.c,%,$(wildcard src/stream/*.c))

PROGRAM := \
	main \
	probe/kernel probe/programs probe/selection probe/hooks probe/functions probe/features probe/missed \
	source/live source/machine source/sock_diag source/scan_source source/snapshot source/iterator source/map_reader \
	source/counters source/flow_counters source/port_usage \
	why/question why/scan why/report why/caller why/bind_environment why/holders why/connect \
	cmd/trace cmd/ephemeral cmd/record cmd/replay cmd/ls cmd/why cmd/doctor \
	cmd/options cmd/why_options cmd/filter_check cmd/output cmd/privilege cmd/socket_scan

UNIT := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))

CORE_LIBS    := -lyajl
PROGRAM_LIBS := -lbpf

# ---- goals --------------------------------------------------------------------------------------

.PHONY: all help deps deps-test deps-bench run check check-san check-scale check-arm64 check-vm check-release check-clang build-plain build-san docs-outputs docs-kernels cross bench clean install uninstall vmlinux

all: $(BUILD)/porttrace ## the program, at build/porttrace

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

deps: ## install what the build needs (Debian, Ubuntu)
	$(Q)./tools/install-deps build

deps-test: deps
	$(Q)./tools/install-deps test

deps-bench:
	$(Q)./tools/install-deps bench
	$(Q)./tools/install-deps vm

run: deps ## install, build, and trace live
	$(Q)$(MAKE) -j$$(nproc) --no-print-directory all
	$(Q)exec $(BUILD)/porttrace $(ARGS)

check: build-plain $(if $(findstring -san,$(TESTS)),build-san) ## install, build, and run the tests on this kernel (live ones need root; TESTS="unit live" runs these groups only)
	$(Q)tests/run $(BUILD) $(TESTS)

check-scale: build-plain ## storms, many sockets and other long tests
	$(Q)tests/run $(BUILD) scale

check-san: build-san ## the unit, replay and live tests with the sanitizers (BRIEF=1: a part of the live ones)
	$(Q)BRIEF=$(BRIEF) tests/run $(BUILD) unit-san replay-san live-san

# The libraries for arm64 come from this machine's apt; without them the group says that it was skipped.
check-arm64: deps-test ## the unit and replay tests of the arm64 build, under qemu
	$(if $(CROSS),$(Q)if $(call SYSROOT_OF,$(CROSS)) >/dev/null; then $(MAKE) --no-print-directory cross; \
		else rm -rf $(BUILD)/$(CROSS); fi)
	$(Q)tests/run $(BUILD) arm64

check-release: ## README's commands in a clean tree of the other Debian release (SUITE=trixie LIVE=1 BRIEF=1)
	$(Q)BRIEF=$(BRIEF) tests/release/run $(SUITE)

check-clang: deps ## build with other releases of clang, and load the programs (CLANGS="14 16 19")
	$(Q)tests/release/clang $(CLANGS)

build-plain: deps-test
	$(Q)$(MAKE) -j$$(nproc) --no-print-directory all check-programs

build-san: build-plain
	$(Q)$(MAKE) -j$$(nproc) --no-print-directory SAN=1 BUILD=$(BUILD)/san all check-programs

check-vm: deps-test ## the live tests on Debian's kernels, under qemu (KERNELS="5.10 6.12" PROBES="fentry" FULL=1 ARCH=arm64)
	$(Q)./tools/install-deps vm
	$(if $(SYSROOT),$(Q)./tools/install-deps cross && ./tools/install-deps vm-$(ARCH))
	$(Q)$(MAKE) -j$$(nproc) --no-print-directory all check-programs
	$(Q)BUILD=$(BUILD) ARCH=$(ARCH) KERNELS="$(KERNELS)" PROBES="$(PROBES)" FULL=$(FULL) BRIEF=$(BRIEF) \
		tests/vm/matrix.py $(DOCS) $(TESTS)

docs-outputs: deps-test ## write the outputs in README.md, the man pages and docs/screens, from real runs
	$(Q)$(MAKE) -j$$(nproc) --no-print-directory all
	$(Q)PORTTRACE=$(BUILD)/porttrace tools/docs-outputs $(NAMES)

docs-kernels: ## write docs/kernels.md, from what the guests of check-vm say
	$(Q)$(MAKE) --no-print-directory check-vm DOCS=--docs

cross: ## install, and build the program and its tests for arm64, at build/arm64
	$(Q)./tools/install-deps cross
	$(if $(CROSS),$(Q)$(MAKE) -j$$(nproc) --no-print-directory ARCH=$(CROSS) BUILD=$(BUILD)/$(CROSS) \
		all check-programs)
	$(if $(CROSS),$(Q)ln -sfn "$$($(call SYSROOT_OF,$(CROSS)))" $(BUILD)/$(CROSS)/sysroot)

bench: deps-test deps-bench ## what tracing costs, against the untraced machine
	$(Q)$(MAKE) -j$$(nproc) --no-print-directory all check-programs
	$(Q)PORTTRACE=$(BUILD)/porttrace STORM=$(BUILD)/tests/storm python3 tests/bench/bench.py

clean: ## remove build/
	rm -rf $(BUILD)

# ---- bpf and its skeleton -----------------------------------------------------------------------

BPFTOOL = $(shell ./tools/find-bpftool)

# Twice: src/probe/programs.h says why. bpf/read.bpf.h and GLOBAL_SUBPROG in bpf/porttrace.bpf.h are what differs.
BPF_VARIANTS := rdonly_cast probe_read
BPF_rdonly_cast :=
BPF_probe_read  := -DPROBE_READ

define BPF_RULES
$(BUILD)/bpf/$(1)/%.o: bpf/%.bpf.c
	$$(call say,BPF,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CLANG) $$(BPFFLAGS) $$(BPF_$(1)) -c $$< -o $$@

$(BUILD)/porttrace_$(1).bpf.o: $(BPF:%=$(BUILD)/bpf/$(1)/%.o)
	$$(call say,LINK,$$@)
	$$(Q)$$(BPFTOOL) gen object $$@ $$^

$(BUILD)/porttrace_$(1).skel.h: $(BUILD)/porttrace_$(1).bpf.o
	$$(call say,SKEL,$$@)
	$$(Q)$$(BPFTOOL) gen skeleton $$< name porttrace_$(1) > $$@
endef
$(foreach variant,$(BPF_VARIANTS),$(eval $(call BPF_RULES,$(variant))))

# ---- core: system, model, rules, renderers; links without libbpf ----------------------------------

$(BUILD)/src/%.o: src/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$(BUILD)/src/probe/kernel.o $(BUILD)/src/probe/programs.o: $(BPF_VARIANTS:%=$(BUILD)/porttrace_%.skel.h)

$(BUILD)/libporttrace-core.a: $(CORE:%=$(BUILD)/src/%.o)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# ---- program ------------------------------------------------------------------------------------

$(BUILD)/porttrace: $(PROGRAM:%=$(BUILD)/src/%.o) $(BUILD)/libporttrace-core.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ $(PROGRAM_LIBS) $(CORE_LIBS) $(LIBS)

# ---- tests --------------------------------------------------------------------------------------

.PHONY: check-programs
check-programs: $(UNIT:%=$(BUILD)/tests/%) $(BUILD)/tests/wire_text $(BUILD)/tests/storm $(BUILD)/tests/planted $(BUILD)/tests/diff

$(BUILD)/tests/test_%: tests/unit/test_%.c $(BUILD)/libporttrace-core.a
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Itests/unit $(CFLAGS) $(LDFLAGS) $< $(BUILD)/libporttrace-core.a -o $@ \
		-lcmocka $(CORE_LIBS)

$(BUILD)/tests/wire_text: tests/replay/wire_text.c $(BUILD)/libporttrace-core.a
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $< $(BUILD)/libporttrace-core.a -o $@ $(CORE_LIBS)

$(BUILD)/tests/diff: $(wildcard tests/diff/*.c) $(wildcard tests/diff/*.h) $(BUILD)/libporttrace-core.a
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Itests/diff $(filter-out -MMD -MP,$(CFLAGS)) $(LDFLAGS) $(filter %.c %.a,$^) -o $@ \
		$(CORE_LIBS)

$(BUILD)/tests/storm $(BUILD)/tests/planted: $(BUILD)/tests/%: tests/live/%.c
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $< -o $@

# ---- vmlinux.h ----------------------------------------------------------------------------------

# Another machine's is that of Debian's newest kernel, whose image holds its types.
vmlinux: ## make vmlinux/<arch>/vmlinux.h again, from the running kernel
ifeq ($(ARCH),$(HOST))
	$(Q)$(BPFTOOL) btf dump file /sys/kernel/btf/vmlinux format c > vmlinux/$(ARCH)/vmlinux.h
else
	$(Q)mkdir -p $(BUILD) vmlinux/$(ARCH)
	$(Q)./tools/fetch-debs --arch=$(ARCH) --suite=sid --alone $(BUILD)/linux linux-image-cloud-$(ARCH) >/dev/null
	$(Q)./tools/kernel-btf $$(find $(BUILD)/linux -name 'vmlinuz*') $(BUILD)/vmlinux.btf
	$(Q)$(BPFTOOL) btf dump file $(BUILD)/vmlinux.btf format c > vmlinux/$(ARCH)/vmlinux.h
endif

# ---- install ------------------------------------------------------------------------------------

MAN     := $(patsubst docs/%.md,$(BUILD)/man/%,$(wildcard docs/*.1.md))
# The pages that the man pages refer to.
DOC     := docs/causes.md docs/json-schema.md
COMPLETIONS := $(patsubst share/%,$(BUILD)/%,$(wildcard share/completions/*))
BIN_DIR  := $(DESTDIR)$(PREFIX)/bin
MAN_DIR  := $(DESTDIR)$(PREFIX)/share/man/man1
DOC_DIR  := $(DESTDIR)$(PREFIX)/share/doc/porttrace
BASH_DIR := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSH_DIR  := $(DESTDIR)$(PREFIX)/share/zsh/site-functions
FISH_DIR := $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
# Runs a program of the build.
RUN := $(if $(SYSROOT),qemu-aarch64 -L $(SYSROOT))

$(BUILD)/man/%: docs/%.md tools/man-page
	$(call say,MAN,$@)
	@mkdir -p $(@D)
	$(Q)./tools/man-page $< $(VERSION) > $@

$(BUILD)/completions/%: share/completions/% tools/completions $(BUILD)/porttrace
	$(call say,SHELL,$@)
	@mkdir -p $(@D)
	$(Q)./tools/completions "$(strip $(RUN) $(BUILD)/porttrace)" $< > $@

install: all $(MAN) $(COMPLETIONS) ## the program, its man pages and shell completions, into $(DESTDIR)$(PREFIX)
	install -D -m 755 $(BUILD)/porttrace $(BIN_DIR)/porttrace
	install -D -m 644 -t $(MAN_DIR) $(MAN)
	install -D -m 644 -t $(DOC_DIR) $(DOC)
	install -D -m 644 $(BUILD)/completions/porttrace.bash $(BASH_DIR)/porttrace
	install -D -m 644 -t $(ZSH_DIR) $(BUILD)/completions/_porttrace
	install -D -m 644 -t $(FISH_DIR) $(BUILD)/completions/porttrace.fish

uninstall: ## what install put there
	rm -f $(BIN_DIR)/porttrace $(MAN:$(BUILD)/man/%=$(MAN_DIR)/%) $(DOC:docs/%=$(DOC_DIR)/%) \
		$(BASH_DIR)/porttrace $(ZSH_DIR)/_porttrace $(FISH_DIR)/porttrace.fish
	[ ! -d $(DOC_DIR) ] || rmdir --ignore-fail-on-non-empty $(DOC_DIR)

$(BUILD)/bpf:
	@mkdir -p $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
