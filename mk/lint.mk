# The checks that read the sources without running anything. Each result is kept as a stamp in
# build/<variant>/lint/, so a second `make lint` looks only at what changed.
CLANG ?= clang
CLANGXX ?= clang++
CLANG_TIDY ?= clang-tidy
CLANG_FORMAT ?= clang-format
L := $(B)/lint

ALL_C := $(sort $(CORE_C) $(FNAPI_C) $(UNIT_C) $(wildcard tools/*.c tools/*/*.c examples/*.c examples/*/*.c bench/*.c tests/fuzz/*.c tests/*/programs/*.c))
ALL_CC := $(CORE_CC)
PUBLIC_H := $(wildcard sdk/include/beamc/*.h)
FORMATTED := $(sort $(ALL_C) $(ALL_CC) $(shell find sdk worker runner io transforms submit tools examples bench tests proto -name '*.h' 2>/dev/null))
SCRIPTS := $(shell grep -rlIE '^\#!.*\b(ba|)sh\b' .ci scripts tests tools bench examples docs flex_template composer monitoring 2>/dev/null)
PYTHON_SCRIPTS := $(shell find scripts tests tools bench examples -name '*.py' 2>/dev/null) tests/run

# Unused arguments of the linker's flags, and gcc's own -f options, are no news from clang here.
CLANG_CFLAGS := -std=c11 -D_GNU_SOURCE $(WARN) -Wno-unknown-warning-option -pthread $(INC)
CLANG_CXXFLAGS := -std=c++17 -Wall -Wextra -Werror -Wno-unknown-warning-option -pthread $(INC)
$(L)/flags.list: FORCE
	$(call keep_if_same,$(CLANG_CFLAGS) $(CLANG_CXXFLAGS))

# Every source once more with clang's warnings.
$(L)/%.c.clang: %.c $(L)/flags.list | $(PB_C)
	$(say) CLANG $<
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CLANG_CFLAGS) -MD -MP -MF $@.d -MT $@ -fsyntax-only $<
	@touch $@
$(L)/%.cc.clang: %.cc $(L)/flags.list | $(PB_C)
	$(say) CLANG $<
	@mkdir -p $(@D)
	$(Q)$(CLANGXX) $(CLANG_CXXFLAGS) -MD -MP -MF $@.d -MT $@ -fsyntax-only $<
	@touch $@

# clang-tidy with .clang-tidy; after the compiler, so that an error is said once.
$(L)/%.c.tidy: $(L)/%.c.clang .clang-tidy
	$(say) TIDY $*.c
	$(Q)$(CLANG_TIDY) --quiet $*.c -- $(CLANG_CFLAGS) 2>&1 | grep -vE '^[0-9]+ warnings? generated' ; exit $${PIPESTATUS[0]}
	@touch $@

# Each public header compiles alone, as C11 and as C++17, with gcc and clang.
$(L)/%.h.alone: sdk/include/beamc/%.h $(PUBLIC_H)
	$(say) ALONE $<
	@mkdir -p $(@D)
	$(Q)for cc in $(CC) $(CLANG); do \
	  printf '#include <beamc/$*.h>\nextern int beamc_not_empty;\n' | $$cc -std=c11 -Wall -Wextra -Wpedantic -Werror -Isdk/include -fsyntax-only -x c - || exit; \
	done
	$(Q)for cxx in $(CXX) $(CLANGXX); do \
	  echo '#include <beamc/$*.h>' | $$cxx -std=c++17 -Wall -Wextra -Werror -Isdk/include -fsyntax-only -x c++ - || exit; \
	done
	@touch $@

lint-clang: $(ALL_C:%=$(L)/%.clang) $(ALL_CC:%=$(L)/%.clang)
lint-tidy: $(ALL_C:%=$(L)/%.tidy)
lint-headers: $(PUBLIC_H:sdk/include/beamc/%=$(L)/%.alone)
lint-shell:
	$(say) SHELL '$(words $(SCRIPTS)) scripts'
	$(Q)shellcheck -x -P SCRIPTDIR $(SCRIPTS)
lint-python:
	$(say) PY '$(words $(PYTHON_SCRIPTS)) scripts'
	$(Q)$(PYTHON3) -c 'import ast, sys; [ast.parse(open(f, encoding="utf-8").read(), f) for f in sys.argv[1:]]' $(PYTHON_SCRIPTS)

build-lint: lint-clang lint-tidy lint-headers lint-shell lint-python check-layers

lint: ## clang's warnings, clang-tidy, headers alone as C11 and C++17, shellcheck, layers
	@scripts/install-deps build test lint
	@$(MAKE) build-lint

check-layers: ## prove from the #include lines that dependencies point one way
	$(Q)$(PYTHON3) scripts/check_layers.py

format: ## format the C and C++ sources in place (clang-format 14)
	@scripts/install-deps lint
	$(Q)$(CLANG_FORMAT) -i $(FORMATTED)

format-check: ## fail if `make format` would change anything
	@scripts/install-deps lint
	$(Q)$(CLANG_FORMAT) --dry-run --Werror $(FORMATTED) && echo 'format-check: $(words $(FORMATTED)) files'

.PHONY: lint build-lint lint-clang lint-tidy lint-headers lint-shell lint-python check-layers format format-check
-include $(shell find $(L) -name '*.d' 2>/dev/null)
