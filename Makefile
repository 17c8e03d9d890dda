# SPDX-License-Identifier: GPL-2.0-only
# The build, by phase: tools, bpf, skeleton, core, program, tests, install. `make help` lists the goals.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

# ---- settings -----------------------------------------------------------------------------------
# V=1 shows commands, SAN=1 adds the sanitizers, DEBUG=1 drops optimisation, WERROR=1 is CI's.

VERSION := 0.1
BUILD   ?= build
CC      ?= gcc
CLANG   ?= clang
ARCH    := $(shell uname -m | sed 's/aarch64/arm64/')
BPFARCH := $(ARCH:x86_64=x86)
PREFIX  ?= /usr/local
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes $(if $(WERROR),-Werror)
CPPFLAGS += -D_GNU_SOURCE -DPORTTRACE_VERSION='"$(VERSION)"' -Isrc -Iinclude -I$(BUILD)
CFLAGS   += -std=gnu11 -g $(if $(DEBUG),-O0,-O2) $(WARNINGS) -MMD -MP
ifdef SAN
CFLAGS   += -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
LDFLAGS  += -fsanitize=address,undefined
endif
BPFFLAGS := -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_$(BPFARCH) -Ivmlinux/$(ARCH) -Iinclude -Ibpf \
            -Wall -Wno-compare-distinct-pointer-types $(if $(WERROR),-Werror) -MMD -MP

# ---- sources, as the data flows -----------------------------------------------------------------

BPF := read emit filter sock task record churn timewait census holder port tracepoint iter

CORE := \
	util/address util/errno_name util/escape util/time_format \
	model/wire_check model/wire_filter model/wire_event model/model model/apply \
	model/failure_ring model/closed_cache model/port_table model/process_table model/netns_table \
	model/flow_table model/pool_table model/slab source/capture \
	$(patsubst src/%.c,%,$(wildcard src/diagnose/*.c)) \
	$(patsubst src/%.c,%,$(wildcard src/render/*.c))

PROGRAM := \
	main loop util/clock \
	source/kernel source/hooks source/features source/kernel_fs \
	source/live source/sample source/sample_flows source/census source/snapshot source/netns source/process \
	cmd/trace cmd/ephemeral cmd/record cmd/replay cmd/session cmd/explain cmd/who cmd/ls cmd/doctor \
	cmd/options cmd/option_values cmd/output \
	cmd/why cmd/why_tell cmd/why_options cmd/why_caller cmd/why_place cmd/why_holders cmd/why_idle

UNIT := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))

CORE_LIBS    := -lyajl
PROGRAM_LIBS := -lbpf

# ---- goals --------------------------------------------------------------------------------------

.PHONY: all help deps deps-test deps-bench run check bench clean install uninstall vmlinux

all: $(BUILD)/porttrace ## the program, at build/porttrace

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

deps: ## install what the build needs (Debian, Ubuntu)
	$(Q)./tools/install-deps build

deps-test: deps
	$(Q)./tools/install-deps test

deps-bench:
	$(Q)./tools/install-deps bench

run: deps ## install, build, and trace live
	$(Q)$(MAKE) -j$$(nproc) --no-print-directory all
	$(Q)exec $(BUILD)/porttrace $(ARGS)

check: deps-test ## install, build, and run every test (live ones need root)
	$(Q)$(MAKE) -j$$(nproc) --no-print-directory all check-programs
	$(Q)$(MAKE) -j$$(nproc) --no-print-directory SAN=1 BUILD=$(BUILD)/san all check-programs
	$(Q)tests/run $(BUILD) $(TESTS)

bench: deps-test deps-bench ## what tracing costs, against the untraced machine
	$(Q)$(MAKE) -j$$(nproc) --no-print-directory all check-programs
	$(Q)PORTTRACE=$(BUILD)/porttrace STORM=$(BUILD)/tests/storm python3 tests/bench/bench.py

clean: ## remove build/
	rm -rf $(BUILD)

# ---- bpf and its skeleton -----------------------------------------------------------------------

BPFTOOL = $(shell ./tools/find-bpftool)

$(BUILD)/bpf/%.o: bpf/%.bpf.c | $(BUILD)/bpf
	$(call say,BPF,$<)
	$(Q)$(CLANG) $(BPFFLAGS) -c $< -o $@

$(BUILD)/porttrace.bpf.o: $(BPF:%=$(BUILD)/bpf/%.o)
	$(call say,LINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(BUILD)/porttrace.skel.h: $(BUILD)/porttrace.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name porttrace > $@

# ---- core: model, rules, renderers; links without libbpf -----------------------------------------

$(BUILD)/src/%.o: src/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$(BUILD)/src/source/kernel.o: $(BUILD)/porttrace.skel.h

$(BUILD)/libporttrace-core.a: $(CORE:%=$(BUILD)/src/%.o)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# ---- program ------------------------------------------------------------------------------------

$(BUILD)/porttrace: $(PROGRAM:%=$(BUILD)/src/%.o) $(BUILD)/libporttrace-core.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $^ -o $@ $(PROGRAM_LIBS) $(CORE_LIBS) $(LIBS)

# ---- tests --------------------------------------------------------------------------------------

.PHONY: check-programs
check-programs: $(UNIT:%=$(BUILD)/tests/%) $(BUILD)/tests/wire_text $(BUILD)/tests/storm $(BUILD)/tests/diff

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

$(BUILD)/tests/storm: tests/live/storm.c
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $< -o $@

# ---- vmlinux.h ----------------------------------------------------------------------------------

vmlinux: ## make vmlinux/<arch>/vmlinux.h again, from the running kernel
	$(Q)$(BPFTOOL) btf dump file /sys/kernel/btf/vmlinux format c > vmlinux/$(ARCH)/vmlinux.h

# ---- install ------------------------------------------------------------------------------------

install: all ## into $(DESTDIR)$(PREFIX)
	install -D -m 755 $(BUILD)/porttrace $(DESTDIR)$(PREFIX)/sbin/porttrace

uninstall: ## what install put there
	rm -f $(DESTDIR)$(PREFIX)/sbin/porttrace

$(BUILD)/bpf:
	@mkdir -p $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
