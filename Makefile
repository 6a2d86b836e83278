# beamc: `make help` lists the targets. Objects go to build/<variant>/, so variants never mix.
#
# Everything is found by folder: a new .c file needs no line here. The parts:
#   libbeamc         the core: SDK, execution plan, local runner, connectors, transforms. No gRPC.
#   libbeamc-fnapi   what talks to the outside through gRPC. The core opens it with dlopen when it is
#                    first needed, so that a local run does not pay for loading 55 shared objects.
#   build/<variant>/{bin,examples}/  one program for each tools/NAME.c, tools/NAME/, examples/NAME.c
#
# mk/test.mk holds the tests, sanitizers, fuzzers and benchmarks, mk/lint.mk the checks, mk/install.mk
# the installation. Local settings (CC=clang, CFLAGS=...) can live in .make-settings.
-include .make-settings
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
VERSION := $(shell sed -n 's/.*BEAMC_VERSION "\(.*\)"/\1/p' sdk/include/beamc/version.h)
ABI := 0

# Without -j on the command line, use every core; sub-makes share the jobs of the first.
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
ifeq ($(MAKELEVEL),0)
  MAKEFLAGS += -j$(JOBS)
endif
MAKEFLAGS += --no-print-directory

# Several goals (make clean test) run one after another, each with all the jobs.
ifneq ($(if $(filter 0,$(MAKELEVEL)),$(word 2,$(MAKECMDGOALS))),)
.PHONY: $(MAKECMDGOALS) one-by-one
$(MAKECMDGOALS): one-by-one
	@:
one-by-one:
	@for goal in $(MAKECMDGOALS); do $(MAKE) $$goal || exit; done
else

ifeq ($(origin CC),default)
  CC := gcc
endif
ifeq ($(origin CXX),default)
  CXX := g++
endif
# Debian's own, where it is there: a version manager's shim may lack what the packages brought.
PYTHON3 ?= $(firstword $(wildcard /usr/bin/python3) python3)
VARIANT ?= release
B := build/$(VARIANT)$(if $(LTO),-lto)
SAN :=

# V=1 prints whole commands.
ifeq ($(V),1)
  Q :=
  say := @:
else
  Q := @
  say = @printf '%-5s %s\n'
endif

WARN := -Wall -Wextra -Wconversion -Werror
OPT := -O2 -g
ifeq ($(VARIANT),debug)
  OPT := -O0 -g3
endif
ifeq ($(VARIANT),asan)
  SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined
endif
ifeq ($(VARIANT),ubsan)
  SAN := -fsanitize=undefined -fno-sanitize-recover=undefined
endif
ifeq ($(VARIANT),tsan)
  SAN := -fsanitize=thread
endif
ifeq ($(VARIANT),fuzz)
  # clang reports NULL + 0 (an empty slice), which C2y defines and every compiler does.
  SAN := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-sanitize=pointer-overflow
endif
ifneq ($(SAN),)
  OPT := -O1 -g -fno-omit-frame-pointer
  # gcc's guesses along paths that the instrumentation adds.
  WARN += -Wno-format-truncation -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-unknown-warning-option
endif
ifneq ($(LTO),)
  OPT += -flto=auto
  AR := gcc-ar
endif

INC := -Isdk/include -Isdk -I. -I$(B)/gen
CODEGEN := $(SAN) -fPIC -fno-semantic-interposition -fno-plt -pthread
CFLAGS_ALL := -std=c11 -D_GNU_SOURCE $(OPT) $(WARN) $(CODEGEN) $(INC) $(CFLAGS)
CXXFLAGS_ALL := -std=c++17 $(OPT) -Wall -Wextra $(CODEGEN) $(if $(SAN),-fno-sanitize=vptr) $(INC) $(CXXFLAGS)

# --- the wire contract: protobuf-c from our transcription -------------------------------------
# Debian ships google/protobuf/*.proto but no protobuf-c code for them: those that are imported are
# generated as well. The generated headers include one another, so every object waits for all.
PROTOS := $(shell find proto -name '*.proto' 2>/dev/null)
WELL_KNOWN := $(shell cat $(PROTOS) </dev/null | \
	sed -nE 's,^import "(google/protobuf/[a-z_]+)[.]proto".*,\1,p' | sort -u)
PROTO_SYS ?= /usr/include
PB_C := $(PROTOS:proto/%.proto=$(B)/gen/%.pb-c.c) $(WELL_KNOWN:%=$(B)/gen/%.pb-c.c)
PB_O := $(PB_C:%.c=%.o)
# fn__elements__unpack is beamc__fn__elements__unpack for the linker, and so on.
prefix_names = $(Q)awk -f scripts/prefix-pb-names $(basename $@).h > $(basename $@).tmp && mv $(basename $@).tmp $(basename $@).h

# The first thing that a build does.
$(B)/tools.ok: scripts/check-build-tools
	@CC='$(CC)' CXX='$(CXX)' PROTO_SYS='$(PROTO_SYS)' scripts/check-build-tools
	@mkdir -p $(@D) && touch $@

$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h: proto/%.proto scripts/prefix-pb-names | $(B)/tools.ok
	$(say) PROTO $<
	@mkdir -p $(B)/gen
	$(Q)protoc-c -Iproto -I$(PROTO_SYS) --c_out=$(B)/gen $<
	$(prefix_names)

$(B)/gen/google/protobuf/%.pb-c.c $(B)/gen/google/protobuf/%.pb-c.h: $(PROTO_SYS)/google/protobuf/%.proto scripts/prefix-pb-names | $(B)/tools.ok
	$(say) PROTO $<
	@mkdir -p $(B)/gen
	$(Q)protoc-c -I$(PROTO_SYS) --c_out=$(B)/gen $<
	$(prefix_names)

$(B)/gen/%.pb-c.o: $(B)/gen/%.pb-c.c $(B)/flags.list | $(PB_C)
	$(say) CC $<
	$(Q)$(CC) $(CFLAGS_ALL) -Wno-conversion -Wno-sign-conversion -MMD -MP -c $< -o $@

.SECONDARY: $(PB_C)
# --- end of the wire contract -------------------------------------------------------------------

CORE_DIRS := proto/beam_model sdk worker/exec runner io transforms
FNAPI_DIRS := worker/rpc worker/harness submit
CORE_C := $(sort $(shell find $(CORE_DIRS) -name '*.c' 2>/dev/null))
CORE_CC := $(sort $(shell find $(CORE_DIRS) -name '*.cc' 2>/dev/null))
FNAPI_C := $(sort $(shell find $(FNAPI_DIRS) -name '*.c' 2>/dev/null))
CORE_O := $(CORE_C:%.c=$(B)/%.o) $(CORE_CC:%.cc=$(B)/%.o) $(PB_O)
FNAPI_O := $(FNAPI_C:%.c=$(B)/%.o)
CORE_LIBS := -lprotobuf-c -ljansson -lsimdjson -lsqlite3 -lstdc++ -ldl -lm -pthread
FNAPI_LIBS := -lgrpc -lgpr -lcrypto

# One program for each tools/NAME.c, tools/NAME/*.c, examples/NAME.c and examples/NAME/*.c;
# underscores in a tool's name become dashes.
TOOL_NAMES := $(sort $(basename $(notdir $(wildcard tools/*.c))) \
  $(notdir $(patsubst %/,%,$(dir $(wildcard tools/*/*.c)))))
EXAMPLE_NAMES := $(sort $(basename $(notdir $(wildcard examples/*.c))) \
  $(notdir $(patsubst %/,%,$(dir $(wildcard examples/*/*.c)))))
TOOLS := $(addprefix $(B)/bin/,$(subst _,-,$(TOOL_NAMES)))
EXAMPLES := $(EXAMPLE_NAMES:%=$(B)/examples/%)
# An example that ends in BEAMC_EXPORT(program) is also built as a plugin for beamc-worker --program=.
PLUGIN_NAMES := $(sort $(basename $(notdir $(shell grep -ls '^BEAMC_EXPORT' examples/*.c))) \
  $(notdir $(patsubst %/,%,$(dir $(shell grep -ls '^BEAMC_EXPORT' examples/*/*.c)))))
PLUGINS := $(PLUGIN_NAMES:%=$(B)/examples/%.so)
sources_of = $(sort $(wildcard $(1)/$(2).c $(1)/$(2)/*.c))

LIBS_SO := $(B)/lib/libbeamc.so.$(ABI) $(B)/lib/libbeamc-fnapi.so.$(ABI)

all: lib $(LIBS_SO) $(TOOLS) $(EXAMPLES) $(PLUGINS) ## build the libraries, tools and examples (VARIANT=release|debug|asan|tsan|ubsan, LTO=1, V=1)

lib: $(B)/libbeamc.a $(B)/libbeamc-fnapi.a ## build the static libraries only

# A *.list file changes only when its content does, so a removed source or another flag rebuilds what
# it must and nothing else.
keep_if_same = @mkdir -p $(@D) && printf '%s\n' '$(1)' | cmp -s - $@ || printf '%s\n' '$(1)' > $@
.PHONY: FORCE
FORCE:
$(B)/flags.list: FORCE
	$(call keep_if_same,$(CFLAGS_ALL) $(CXXFLAGS_ALL))
$(B)/core.list: FORCE
	$(call keep_if_same,$(CORE_O))
$(B)/fnapi.list: FORCE
	$(call keep_if_same,$(FNAPI_O))

# Every object waits for the generated headers once; later builds use the dependency files.
$(B)/%.o: %.c $(B)/flags.list | $(PB_C)
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

$(B)/%.o: %.cc $(B)/flags.list | $(PB_C)
	$(say) CXX $<
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CXXFLAGS_ALL) -MMD -MP -c $< -o $@

# An example that is a plugin is compiled a second time: BEAMC_EXPORT then makes the plugin's entry
# point instead of main.
$(B)/plugin/%.o: %.c $(B)/flags.list | $(PB_C)
	$(say) CC '$< (plugin)'
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -DBEAMC_PLUGIN -MMD -MP -c $< -o $@

# rm first: ar would keep the members of sources that are gone. q: two folders may hold one name.
$(B)/libbeamc.a: $(CORE_O) $(B)/core.list
	$(say) AR $@
	@rm -f $@ && $(AR) qcs $@ $(filter %.o,$^)

$(B)/libbeamc-fnapi.a: $(FNAPI_O) $(B)/fnapi.list
	$(say) AR $@
	@rm -f $@ && $(AR) qcs $@ $(filter %.o,$^)

# How there is always exactly ONE copy of the core in a process:
# libbeamc-fnapi.so is linked against neither libbeamc.so nor libbeamc.a; its references to the core
# stay open and are bound, when the core opens it, to the copy that is already in the process:
#   - our tools and examples hold the whole of libbeamc.a and export its symbols (LINK_CORE below);
#   - a user's program linked with -lbeamc has libbeamc.so, which exports them;
#   - a user's program linked statically takes the flags of beamc-static.pc, which do what LINK_CORE
#     does, or links libbeamc-fnapi.a whole and needs no dlopen at all.
# Were it linked with libbeamc.so, the first and third kind would map a second core with its own
# registries and counters. tests/infra/test_install.sh checks that the core exports all it needs.
# Exported are beamc_* (node BEAMC_0, the stable names) and beamc__* (node BEAMC_PRIVATE, for
# libbeamc-fnapi of the same version only), nothing else.
$(B)/lib/libbeamc.so.$(ABI): $(B)/libbeamc.a scripts/libbeamc.map
	$(say) LD $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -shared -Wl,-soname,$(@F) -Wl,--version-script=scripts/libbeamc.map \
	  -Wl,-rpath,'$$ORIGIN' \
	  -Wl,--whole-archive $< -Wl,--no-whole-archive $(CORE_LIBS) -o $@
	@ln -sf $(@F) $(B)/lib/libbeamc.so

$(B)/lib/libbeamc-fnapi.so.$(ABI): $(B)/libbeamc-fnapi.a scripts/libbeamc-fnapi.map
	$(say) LD $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -shared -Wl,-soname,$(@F) -Wl,--version-script=scripts/libbeamc-fnapi.map \
	  -Wl,--whole-archive $< -Wl,--no-whole-archive $(FNAPI_LIBS) -lprotobuf-c -pthread -o $@
	@ln -sf $(@F) $(B)/lib/libbeamc-fnapi.so

LINK_CORE = -Wl,--whole-archive $(B)/libbeamc.a -Wl,--no-whole-archive \
  '-Wl,--export-dynamic-symbol=beamc_*' -Wl,-rpath,'$$ORIGIN/../lib' -Wl,--as-needed $(CORE_LIBS)

# A sanitizer's own dlopen stands between ours and the loader, which then looks into the run path of
# the sanitizer's library; an old-style one of the program is looked into for all.
ifneq ($(SAN),)
  LINK_CORE += -Wl,--disable-new-dtags
endif

define program_rule # 1: folder of the sources, 2: name of the source, 3: program
$(3): $(patsubst %.c,$(B)/%.o,$(call sources_of,$(1),$(2))) $(B)/libbeamc.a | $(LIBS_SO)
	$$(say) LD $$@
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS_ALL) $$(filter %.o,$$^) $$(LINK_CORE) -o $$@
endef
define plugin_rule # 1: name of the example
$(B)/examples/$(1).so: $(patsubst %.c,$(B)/plugin/%.o,$(call sources_of,examples,$(1)))
	$$(say) LD $$@
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS_ALL) -shared $$^ -o $$@
endef
$(foreach n,$(TOOL_NAMES),$(eval $(call program_rule,tools,$(n),$(B)/bin/$(subst _,-,$(n)))))
$(foreach n,$(EXAMPLE_NAMES),$(eval $(call program_rule,examples,$(n),$(B)/examples/$(n))))
$(foreach n,$(PLUGIN_NAMES),$(eval $(call plugin_rule,$(n))))

run-local: ## install what is missing, build, run the e-commerce job on the bundled sample (ARGS="--option=...")
	@scripts/install-deps build
	@$(MAKE) build-run-local
	@$(B)/bin/beamc-run --local $(ARGS)

build-run-local: $(B)/bin/beamc-run

clean: ## remove what was built (the downloaded test peers stay in ~/.cache/beamc)
	rm -rf build compile_commands.json

help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST) | sort -u

include mk/test.mk mk/lint.mk mk/install.mk

.PHONY: all lib run-local build-run-local clean help
-include $(shell find $(B) -name '*.d' 2>/dev/null)
endif
