# Tests, sanitizers, fuzzers, benchmarks. `make test` is what CI runs; tests/run finds the suites,
# reads their TAP and prints the one last line.

# --- unit tests: every tests/unit/**/*.c goes into one Criterion program -------------------------
UNIT_C := $(sort $(shell find tests/unit tests/lib -name '*.c' 2>/dev/null))
UNIT_O := $(UNIT_C:%.c=$(B)/%.o)
UNIT_O := $(filter-out $(patsubst %.c,$(B)/%.o,$(filter-out tests/lib/$(VARIANT)_criterion.c,$(wildcard tests/lib/*_criterion.c))),$(UNIT_O))
$(B)/tests/lib/tsan_criterion.o: CFLAGS_ALL := $(filter-out -fsanitize=%,$(CFLAGS_ALL))
$(B)/unit.list: FORCE
	$(call keep_if_same,$(UNIT_O))
$(B)/unit: $(UNIT_O) $(B)/unit.list $(B)/libbeamc-fnapi.a $(B)/libbeamc.a
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS_ALL) $(UNIT_O) $(B)/libbeamc-fnapi.a $(B)/libbeamc.a -o $@ -Wl,-rpath,'$$ORIGIN/lib' -lcriterion -lyaml $(FNAPI_LIBS) $(CORE_LIBS)

# Reports of the uninstrumented gRPC and Criterion libraries are not ours.
SAN_ENV := LSAN_OPTIONS=suppressions=$(CURDIR)/tests/lib/lsan.supp:print_suppressions=0 ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 \
  TSAN_OPTIONS=ignore_noninstrumented_modules=1:halt_on_error=1:exitcode=66

unit: $(B)/unit ## the unit tests alone (T=suite/test: a Criterion pattern)
	$(SAN_ENV) $(B)/unit -j2 $(if $(T),--filter '$(T)')

# --- fuzz targets: tests/fuzz/fuzz_NAME.c, corpus in tests/fuzz/corpus/NAME/ ---------------------
# Replayed by a plain main() in every `make test`; `make fuzz` explores with libFuzzer.
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_REPLAY := $(FUZZ_NAMES:%=$(B)/fuzz-replay/%)
$(B)/fuzz-replay/%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/standalone_driver.o $(B)/libbeamc-fnapi.a $(B)/libbeamc.a
	$(say) LD $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $^ -o $@ -Wl,--as-needed $(FNAPI_LIBS) $(CORE_LIBS)
.SECONDARY: $(FUZZ_NAMES:%=$(B)/tests/fuzz/fuzz_%.o) $(B)/tests/fuzz/standalone_driver.o

fuzz-replay: $(FUZZ_REPLAY) ## replay the fuzz corpora (also part of `make test`)
	@$(PYTHON3) tests/run --build=$(B) --kind=fuzz

FUZZ_SECONDS ?= 60
$(B)/fuzzers/%: $(B)/tests/fuzz/fuzz_%.o $(B)/libbeamc-fnapi.a $(B)/libbeamc.a
	$(say) LD $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -fsanitize=fuzzer $^ -o $@ -Wl,--as-needed $(FNAPI_LIBS) $(CORE_LIBS)

fuzz: ## explore with libFuzzer: T=name for one target, FUZZ_SECONDS=60 for each; finds go to build/fuzz/found/
	@scripts/install-deps build fuzz
	@$(MAKE) VARIANT=fuzz CC="$(FUZZ_CC)" CXX="$(FUZZ_CXX)" LTO= build-fuzz
	@scripts/fuzz $(FUZZ_SECONDS) $(or $(T),$(FUZZ_NAMES))
FUZZ_CC ?= clang
FUZZ_CXX ?= clang++
build-fuzz: $(FUZZ_NAMES:%=$(B)/fuzzers/%)

# --- programs that the interop tests run: tests/interop/programs/NAME.c ---------------------------
INTEROP_NAMES := $(basename $(notdir $(wildcard tests/interop/programs/*.c)))
INTEROP_PROGRAMS := $(INTEROP_NAMES:%=$(B)/interop/%)
$(foreach n,$(INTEROP_NAMES),$(eval $(call program_rule,tests/interop/programs,$(n),$(B)/interop/$(n))))
build-interop: $(INTEROP_PROGRAMS)

# --- programs of other test folders: tests/FOLDER/programs/NAME.c, with the gRPC part linked in ----
TEST_PROGRAMS := $(patsubst %.c,$(B)/%,$(filter-out tests/interop/%,$(wildcard tests/*/programs/*.c)))
$(TEST_PROGRAMS): %: %.o $(B)/libbeamc-fnapi.a $(B)/libbeamc.a
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS_ALL) $< $(B)/libbeamc-fnapi.a $(B)/libbeamc.a -o $@ -Wl,--as-needed $(FNAPI_LIBS) $(CORE_LIBS)

# --- the test runs --------------------------------------------------------------------------------
build-tests: all build-interop $(B)/unit $(FUZZ_REPLAY) $(TEST_PROGRAMS)

test: ## install what is missing, build, run the tests; T=name for some of them
	@scripts/install-deps build test
	@$(MAKE) build-tests
	@$(PYTHON3) tests/run --build=$(B) $(if $(T),--filter='$(T)')

test-full: ## make test and the suites too heavy for each run
	@scripts/install-deps build test
	@$(MAKE) build-tests
	@$(PYTHON3) tests/run --build=$(B) --full $(if $(T),--filter='$(T)')

test-performance: ## performance assertions; off unless RUN_PERF_TESTS=1
ifeq ($(RUN_PERF_TESTS),1)
	@scripts/install-deps build test
	@$(MAKE) build-tests build-bench
	@$(PYTHON3) tests/run --build=$(B) --perf $(if $(T),--filter='$(T)')
else
	@echo 'performance tests are off: RUN_PERF_TESTS=1 make test-performance runs them'
endif

SOAK_SECONDS ?= 1800
SOAK_RATE ?= 50000
soak: ## the e-commerce job with --state_dir, for long: memory, files, state, lag (SOAK_SECONDS=1800 SOAK_RATE=50000)
	@scripts/install-deps build test
	@$(MAKE) all
	@$(PYTHON3) tests/soak/soak.py --build=$(B) --seconds=$(SOAK_SECONDS) --rate=$(SOAK_RATE)

interop: ## the tests against other runners alone, the long ones too: Prism, Flink, Python (T=name for some)
	@scripts/install-deps build test interop
	@for peer in prism flink python-job-service; do scripts/peers/$$peer install || exit; done
	@$(MAKE) build-tests
	@$(PYTHON3) tests/run --build=$(B) --full --filter='interop/$(T)'

asan: ## build with AddressSanitizer and UBSan, run the units, fuzz replays and TAP suites made for it
ubsan: ## the same with UBSan alone
tsan: ## the same with ThreadSanitizer
asan ubsan tsan:
	@scripts/install-deps build test
	@$(MAKE) VARIANT=$@ build-tests
	@$(SAN_ENV) $(PYTHON3) tests/run --build=build/$@ --sanitizer=$@ $(if $(T),--filter='$(T)')

CHAOS_KILLS ?= 1000
CHAOS_SEED ?= 1
chaos: ## kill -9 jobs with --state_dir at random instants, CHAOS_KILLS=1000 times, and count their rows; CHAOS_SEED=1
	@scripts/install-deps build test
	@$(MAKE) build-tests
	@$(PYTHON3) tests/chaos/chaos.py --kills=$(CHAOS_KILLS) --seed=$(CHAOS_SEED) --keep=build/chaos $(ARGS)

# --- benchmarks -----------------------------------------------------------------------------------
# bench/NAME.c are programs; bench/run, run-streaming and run-fnapi run them beside their references.
BENCH_NAMES := $(basename $(notdir $(wildcard bench/*.c)))
BENCHES := $(BENCH_NAMES:%=$(B)/bench/%)
$(foreach n,$(filter-out fnapi_driver,$(BENCH_NAMES)),$(eval $(call program_rule,bench,$(n),$(B)/bench/$(n))))
# The driver is a runner: it uses the gRPC part directly.
$(B)/bench/fnapi_driver: $(B)/bench/fnapi_driver.o $(B)/libbeamc-fnapi.a $(B)/libbeamc.a
	$(say) LD $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $^ -o $@ -Wl,--as-needed $(FNAPI_LIBS) $(CORE_LIBS)

# BENCH_ONLY=job,latency runs these parts alone; the names are in the two scripts.
bench: ## compare with the reference programs, and streaming and stateful work; BENCH_ONLY=PART,... for some
	@scripts/install-deps build test
	@$(MAKE) all build-bench
	@bench/run --build=$(B) $(if $(BENCH_ONLY),--only=$(BENCH_ONLY)) $(ARGS)
	@bench/run-streaming --build=$(B) $(if $(BENCH_ONLY),--only=$(BENCH_ONLY)) $(STREAMING_ARGS)

bench-fnapi: ## elements/s of the worker beside the Go and Python harnesses
	@scripts/install-deps build test
	@$(MAKE) all build-bench
	@if [ -x bench/run-fnapi ]; then bench/run-fnapi --build=$(B) $(ARGS); else echo 'bench-fnapi: bench/run-fnapi does not exist yet'; exit 1; fi

build-bench: $(BENCHES)

.PHONY: chaos unit fuzz-replay fuzz build-fuzz build-tests build-interop test test-full test-performance soak interop asan ubsan tsan bench bench-fnapi build-bench
