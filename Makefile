# beamc: `make help` lists the targets. Objects go to build/<variant>/, so variants never mix.
-include .make-settings
SHELL := /bin/bash
CC ?= gcc
CXX ?= g++
VARIANT ?= release
B := build/$(VARIANT)
SAN ?=

WARN := -Wall -Wextra -Wconversion -Werror
OPT := -O2 -g
ifeq ($(VARIANT),asan)
  SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined
endif
ifeq ($(VARIANT),ubsan)
  SAN := -fsanitize=undefined -fno-sanitize-recover=undefined
endif
ifeq ($(VARIANT),tsan)
  SAN := -fsanitize=thread
endif
ifneq ($(SAN),)
  OPT := -O1 -g -fno-omit-frame-pointer
endif

INC := -Isdk/include -Isdk -I. -I$(B)/gen
CFLAGS_ALL := -std=c11 -D_GNU_SOURCE $(OPT) $(WARN) $(SAN) -fPIC -fno-semantic-interposition -fno-plt -pthread $(INC) $(CFLAGS)
CXXFLAGS_ALL := -std=c++17 $(OPT) -Wall -Wextra $(SAN) -fPIC -fno-semantic-interposition -fno-plt -pthread $(INC) $(CXXFLAGS)

# --- the wire contract: protobuf-c from our transcription -------------------------------------
# Debian ships google/protobuf/*.proto but no protobuf-c code for them: those that are imported are
# generated as well. The generated headers include one another, so every object waits for all.
PROTOS := $(shell find proto -name '*.proto' 2>/dev/null)
WELL_KNOWN := $(shell cat $(PROTOS) </dev/null | \
	sed -nE 's,^import "(google/protobuf/[a-z_]+)[.]proto".*,\1,p' | sort -u)
PROTO_SYS ?= /usr/include
PB_C := $(PROTOS:proto/%.proto=$(B)/gen/%.pb-c.c) $(WELL_KNOWN:%=$(B)/gen/%.pb-c.c)
PB_O := $(PB_C:%.c=%.o)

# --- libraries: the core knows no gRPC; fnapi is what talks to the outside ---------------------
CORE_DIRS := proto/beam_model sdk worker/exec runner io transforms
FNAPI_DIRS := worker/rpc worker/harness submit
CORE_C := $(shell find $(CORE_DIRS) -name '*.c' 2>/dev/null)
CORE_CC := $(shell find $(CORE_DIRS) -name '*.cc' 2>/dev/null)
FNAPI_C := $(shell find $(FNAPI_DIRS) -name '*.c' 2>/dev/null)
CORE_O := $(CORE_C:%.c=$(B)/%.o) $(CORE_CC:%.cc=$(B)/%.o) $(PB_O)
FNAPI_O := $(FNAPI_C:%.c=$(B)/%.o)
CORE_LIBS := -lprotobuf-c -ljansson -lsimdjson -lsqlite3 -lstdc++ -ldl -lm -pthread
FNAPI_LIBS := -lgrpc -lgpr

all: lib

lib: $(B)/libbeamc.a

$(B)/libbeamc.a: $(CORE_O)
	@rm -f $@ && ar rcs $@ $^

$(B)/libbeamc-fnapi.a: $(FNAPI_O)
	@rm -f $@ && ar rcs $@ $^

$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h: proto/%.proto
	@mkdir -p $(B)/gen
	protoc-c -Iproto -I$(PROTO_SYS) --c_out=$(B)/gen $<

$(B)/gen/google/protobuf/%.pb-c.c $(B)/gen/google/protobuf/%.pb-c.h: $(PROTO_SYS)/google/protobuf/%.proto
	@mkdir -p $(B)/gen
	protoc-c -I$(PROTO_SYS) --c_out=$(B)/gen $<

$(B)/gen/%.pb-c.o: $(B)/gen/%.pb-c.c | $(PB_C)
	$(CC) $(CFLAGS_ALL) -Wno-conversion -Wno-sign-conversion -MMD -MP -c $< -o $@

.SECONDARY: $(PB_C)

# Every object waits for the generated headers once; later builds use the dependency files.
$(B)/%.o: %.c | $(PB_C)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

$(B)/%.o: %.cc | $(PB_C)
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS_ALL) -MMD -MP -c $< -o $@

# --- unit tests: every tests/unit/**/*.c goes into one Criterion program -----------------------
UNIT_C := $(shell find tests/unit -name '*.c' 2>/dev/null)
UNIT_O := $(UNIT_C:%.c=$(B)/%.o)
$(B)/unit: $(UNIT_O) $(B)/libbeamc-fnapi.a $(B)/libbeamc.a
	$(CC) $(CFLAGS_ALL) $(UNIT_O) $(B)/libbeamc-fnapi.a $(B)/libbeamc.a -o $@ -lcriterion $(FNAPI_LIBS) $(CORE_LIBS)

unit: $(B)/unit
	$(B)/unit $(if $(T),--filter '$(T)')

clean:
	rm -rf build

.PHONY: all lib unit clean
-include $(shell find $(B) -name '*.d' 2>/dev/null)
