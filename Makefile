# Alert Whisperer. Targets: all module worker test run bench asan tsan fuzz lint format docs install
# MODE = release | asan | tsan | fuzz | crash (crash points compiled in). One object tree per mode.
SHELL   := /bin/bash
MODE    ?= release
B       := build/$(MODE)
CC      ?= gcc
PREFIX  ?= /usr
DESTDIR ?=

WARN    := -std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Werror
HARDEN  := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fcf-protection
CFLAGS_release := -O2 -g $(HARDEN)
CFLAGS_crash   := -O1 -g -DAW_CRASH_POINTS
CFLAGS_asan    := -O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer -DAW_CRASH_POINTS
CFLAGS_tsan    := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
CFLAGS_fuzz    := -O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-omit-frame-pointer -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
LDFLAGS_release := -Wl,-z,relro,-z,now
LDFLAGS_asan   := -fsanitize=address,undefined
LDFLAGS_tsan   := -fsanitize=thread
LDFLAGS_fuzz   := -fsanitize=address,undefined,fuzzer
ifeq ($(MODE),fuzz)
CC := clang-14
endif

PKGS_SRC    := libcrypto
PKGS_WORKER := yajl sqlite3 libmongoc-1.0 libmicrohttpd libjwt libconfuse libcrypt
PKG_CFLAGS  := $(shell pkg-config --cflags $(PKGS_SRC) $(PKGS_WORKER) 2>/dev/null)
LIBS_SRC    := $(shell pkg-config --libs $(PKGS_SRC) 2>/dev/null) -lpthread
LIBS        := $(shell pkg-config --libs $(PKGS_WORKER) 2>/dev/null) $(LIBS_SRC) -lm
ALL_CFLAGS  := $(WARN) -fPIC -D_GNU_SOURCE -I. -Isrc $(CFLAGS_$(MODE)) $(PKG_CFLAGS) $(CFLAGS)
ALL_LDFLAGS := $(LDFLAGS_$(MODE)) $(LDFLAGS)

objs = $(patsubst %.c,$B/%.o,$(wildcard $(1)))
SRC    := $(call objs,src/aw_*.c)
BASE   := $(call objs,worker/base/*.c) $(SRC)
STORE  := $(call objs,worker/model/*.c worker/store/*.c worker/store/*/*.c) $(BASE)
UPPER  := $(call objs,worker/domain/*.c worker/pipeline/*.c worker/api/*.c worker/jobs/*.c) $(STORE)
TOP    := $(call objs,worker/*.c) $(UPPER)

.PHONY: print-cflags tools all module worker test run bench asan tsan fuzz lint format docs install clean unit
.SECONDARY: $(patsubst %.c,$B/%.o,$(wildcard t/*/*.c))
all: module worker

worker: $B/alertwhisperd
$B/alertwhisperd: $(TOP)
	$(CC) $^ -o $@ $(ALL_LDFLAGS) $(LIBS)

$B/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# A unit test links its own layer and those below it.
$B/t/unit/src_%.t: $B/t/unit/src_%.o $(SRC)
	$(CC) $^ -o $@ $(ALL_LDFLAGS) $(LIBS) -lcmocka
$B/t/unit/base_%.t: $B/t/unit/base_%.o $(BASE)
	$(CC) $^ -o $@ $(ALL_LDFLAGS) $(LIBS) -lcmocka
$B/t/unit/model_%.t: $B/t/unit/model_%.o $(STORE)
	$(CC) $^ -o $@ $(ALL_LDFLAGS) $(LIBS) -lcmocka
$B/t/unit/store_%.t: $B/t/unit/store_%.o $(STORE)
	$(CC) $^ -o $@ $(ALL_LDFLAGS) $(LIBS) -lcmocka
$B/t/unit/%.t: $B/t/unit/%.o $(UPPER)
	$(CC) $^ -o $@ $(ALL_LDFLAGS) $(LIBS) -lcmocka
UNITS := $(patsubst t/unit/%.c,$B/t/unit/%.t,$(wildcard t/unit/*.c))
unit: $(UNITS)

# Programs of the tests: t/tools/aw_*.c and t/bench/bench_*.c, one file each.
TOOLS := $(patsubst %.c,$B/%,$(wildcard t/tools/aw_*.c t/bench/bench_*.c))
tools: $(TOOLS)
$B/t/tools/aw_load: $B/t/tools/load_conn.o $B/t/tools/load_target.o
$B/t/tools/%: $B/t/tools/%.o $(UPPER)
	$(CC) $^ -o $@ $(ALL_LDFLAGS) $(LIBS)
$B/t/bench/%: $B/t/bench/%.o $(UPPER)
	$(CC) $^ -o $@ $(ALL_LDFLAGS) $(LIBS)

$B/t/fuzz/%: $B/t/fuzz/%.o $(BASE)
	$(CC) $^ -o $@ $(ALL_LDFLAGS) $(LIBS)

module:
	scripts/build_module

print-cflags:
	@echo $(WARN) -D_GNU_SOURCE -I. -Isrc $(PKG_CFLAGS)
run:
	scripts/run
test:
	scripts/test
bench:
	scripts/bench
lint:
	scripts/lint
format:
	clang-format-14 -i $$(git ls-files -co --exclude-standard -- 'src/*.[ch]' 'worker/*.[ch]' 't/*.[ch]')
asan:
	scripts/sanitize asan
tsan:
	scripts/sanitize tsan
fuzz:
	scripts/fuzz
docs: worker
	scripts/docs
install: all
	DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) scripts/install

clean:
	rm -rf build

-include $(shell find $B -name '*.d' 2>/dev/null)
