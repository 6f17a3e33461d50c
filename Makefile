# peftgrid: build, tests, checks. `make help` lists the targets; `sh tools/bootstrap.sh deps` installs what is needed.

VARIANT ?= release
BUILD   ?= build
OUT     := $(BUILD)/$(VARIANT)
PREFIX  ?= /usr/local
GOLDEN  ?= ../shared/golden

# ---- compilers and flags --------------------------------------------------------------------------------------------
CC  := $(if $(filter default,$(origin CC)),gcc,$(CC))
CXX := $(if $(filter default,$(origin CXX)),g++,$(CXX))
WARN     := -Wall -Wextra -Wshadow -Wconversion -Werror -Wno-sign-conversion
# No value-changing optimisation: contraction only where fma() is written. The two -fno- switches change no value, they
# let sqrt and comparisons be vectorised.
FP       := -ffp-contract=off -fno-math-errno -fno-trapping-math
PKG_CFLAGS := $(shell pkg-config --cflags hdf5 openblas jansson inih libpcre2-8 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs hdf5 openblas jansson inih libpcre2-8 2>/dev/null) \
              -lsentencepiece -lutf8proc -lmd -lstdc++ -lm
CPPFLAGS += -I. -D_GNU_SOURCE $(PKG_CFLAGS)
OPT      := -O3
OPENMP   := -fopenmp
SANITIZE :=
ifeq ($(VARIANT),double)
CPPFLAGS += -DPG_DOUBLE
else ifeq ($(VARIANT),asan)
OPT      := -O1
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# Kernels of no class, and what all are compared with, call the C library for every fma(): their tests take minutes. What
# is watched is memory, so here they may have the instruction.
$(OUT)/core/%_generic.o $(OUT)/core/%_reference.o: SANITIZE += -O2 $(if $(shell grep -m1 -w fma /proc/cpuinfo),-mfma)
# The f32 product's kernels check every load for a quarter of an hour in golden alone: tests/core/test_gemm.c runs them
# beside pages that may not be touched instead.
$(OUT)/core/gemm_avx%.o: SANITIZE :=
else ifeq ($(VARIANT),ubsan)
OPT      := -O1
SANITIZE := -fsanitize=undefined -fno-sanitize-recover=all
else ifeq ($(VARIANT),tsan)
# ThreadSanitizer cannot see into OpenMP runtimes: this variant uses the plain-thread backend of core/parallel.c.
OPT      := -O1
SANITIZE := -fsanitize=thread
CPPFLAGS += -DPG_PLAIN_THREADS
# What products and rows are compared with runs on one thread.
$(OUT)/core/%_reference.o: SANITIZE :=
else ifeq ($(VARIANT),fuzz)
# The harnesses of tests/fuzz under libFuzzer (clang only). Numerics see no byte of a file: they stay without instruments.
OPT      := -O1
SANITIZE := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
$(OUT)/core/gemm%.o $(OUT)/core/row%.o: SANITIZE :=
endif
CFLAGS   := -std=c11 $(OPT) -g $(WARN) $(FP) $(OPENMP) $(EXTRA_CFLAGS)
CXXFLAGS := -std=c++17 $(OPT) -g -Wall -Wextra -Werror
LDLIBS   := $(OPENMP) $(SANITIZE) $(PKG_LIBS) -pthread
CHECK    := -lcheck -lsubunit -lrt
AVX2     := -mavx2 -mfma -mf16c
AVX512   := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mprefer-vector-width=512

BF16     := $(AVX512) -mavx512bf16
AMX      := $(BF16) -mamx-tile -mamx-bf16

# ---- sources --------------------------------------------------------------------------------------------------------
ROOMS    := core models datasets methods results bench
SOURCES  := $(filter-out bench/main.c,$(wildcard $(addsuffix /*.c,$(ROOMS))))
SHIMS    := $(wildcard $(addsuffix /*.cc,$(ROOMS)))
GEN      := $(OUT)/gen/method_table.c $(OUT)/gen/store_table.c $(OUT)/gen/command_table.c
OBJECTS  := $(SOURCES:%.c=$(OUT)/%.o) $(SHIMS:%.cc=$(OUT)/%.o) $(GEN:.c=.o)
LIB      := $(OUT)/libpeftgrid.a
TOOLS    := $(patsubst tools/%.c,$(OUT)/tools/%,$(wildcard tools/*.c))
# Check programs: tests/<room>/test_*.c. tests/double holds those of the double build.
TEST_SRC := $(filter-out tests/double/%,$(wildcard tests/*/test_*.c))
ifeq ($(VARIANT),double)
TEST_SRC := $(wildcard tests/double/test_*.c)
endif
TEST_LIB := $(patsubst %.c,$(OUT)/%.o,$(wildcard tests/*.c tests/bad_methods/*.c))
TESTS    := $(TEST_SRC:%.c=$(OUT)/%)
# Harnesses of hostile input: run by libFuzzer and, over their seeds and findings, by test_fuzz_inputs.
FUZZ_SRC := $(wildcard tests/fuzz/fuzz*.c) tests/fuzz/reseal.c
FUZZ_OBJ := $(FUZZ_SRC:%.c=$(OUT)/%.o) $(OUT)/gen/fuzz_table.o
# Long ones first: they end while the others still run.
SLOW     := $(filter %_slow %/test_every_method,$(TESTS))
IN_ORDER := $(SLOW) $(filter-out $(SLOW),$(TESTS))
JOBS     ?= $(shell nproc)

.PHONY: all help check test unit test-programs double-programs sanitized-tests cli golden flips lint layers format asan ubsan tsan tsan-short fuzz double determinism \
        determinism-short emulated-programs emulated-tests crash crash-short oom oom-short iofault iofault-short valgrind valgrind-short scale flips-short threads-watched reliability-short demo bench install clean mini FORCE
.SECONDARY:
.DELETE_ON_ERROR:

all: $(BUILD)/peftgrid $(TOOLS)

help:
	@echo "make            build/peftgrid             make check    quick tests, under a minute"
	@echo "make test       all tests                  make golden   reference values in GOLDEN=$(GOLDEN)"
	@echo "make lint       format, layers, analyser   make asan | ubsan | tsan | valgrind   tests that watch"
	@echo "make crash      a grid under kill -9: equal records, nothing done twice"
	@echo "make determinism  one content hash a method: threads, evaluation batches, compilers, vector widths"
	@echo "make fuzz       hostile input, FUZZ_SECONDS=$(FUZZ_SECONDS)"
	@echo "make demo       the demo grid              make bench    speed of this machine"
	@echo "make flips      FLIPS=2000 single changed bytes, all found"
	@echo "make scale      SCALE_RECORDS=10000 records, a grid of as many cells, jobs that share one base"
	@echo "make oom | iofault  every allocation, every system call fails once; oom-short, iofault-short: some"
	@echo "make mini       rebuild the mini model     make install  PREFIX=$(PREFIX)"

$(BUILD)/peftgrid: $(OUT)/peftgrid
	@ln -sf $(VARIANT)/peftgrid $@

$(OUT)/peftgrid: $(OUT)/bench/main.o $(LIB)
	$(CC) -o $@ $^ $(LDLIBS)

$(LIB): $(OBJECTS)
	@rm -f $@
	@ar rcs $@ $^

# The files that .incbin takes in: the compiler's dependency files do not know them.
$(OUT)/models/mini_embed.o: models/mini/config.json models/mini/model.safetensors
$(OUT)/bench/published.o: $(wildcard results/published/*.csv)

$(OUT)/core/%_avx2.o: CFLAGS += $(AVX2)
$(OUT)/core/%_avx512.o: CFLAGS += $(AVX512)
$(OUT)/core/%_avx512bf16.o: CFLAGS += $(BF16)
$(OUT)/core/%_amx.o: CFLAGS += $(AMX)

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(SANITIZE) -MMD -MP -c -o $@ $<

$(OUT)/%.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) $(SANITIZE) -MMD -MP -c -o $@ $<

$(OUT)/gen/%.o: $(OUT)/gen/%.c
	$(CC) $(CPPFLAGS) $(CFLAGS) $(SANITIZE) -c -o $@ $<

# Tables of methods, stores and commands: one row a file, rewritten only when the list of files changes.
$(OUT)/gen/method_table.c: FORCE
	@sh tools/make-table.sh method methods/method.h $(wildcard methods/*.c) $@
$(OUT)/gen/store_table.c: FORCE
	@sh tools/make-table.sh store models/store.h $(wildcard models/store_*.c) $@
$(OUT)/gen/command_table.c: FORCE
	@sh tools/make-table.sh command bench/cli.h $(wildcard bench/cmd_*.c) $@
$(OUT)/gen/fuzz_table.c: FORCE
	@sh tools/make-table.sh fuzz tests/fuzz/fuzzing.h $(wildcard tests/fuzz/fuzz_*.c) $@

$(OUT)/tools/%: tools/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -o $@ $< $(LIB) $(LDLIBS)

$(OUT)/tests/%: $(OUT)/tests/%.o $(TEST_LIB) $(LIB)
	$(CC) -o $@ $(filter %.o,$^) $(LIB) $(CHECK) $(LDLIBS)

$(OUT)/tests/fuzz/test_fuzz_inputs: $(FUZZ_OBJ)
$(OUT)/tests/fuzz/test_fuzz_inputs.o: CPPFLAGS += -DFUZZ_HARNESSES=$(words $(wildcard tests/fuzz/fuzz_*.c))
$(OUT)/tests/fuzz/test_fuzz_inputs.o: $(OUT)/gen/fuzz_table.c

$(OUT)/fuzz: $(OUT)/tests/fuzz/libfuzzer_entry.o $(FUZZ_OBJ) $(filter-out %/pgtest_main.o,$(TEST_LIB)) $(LIB)
	$(CXX) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(LIB) $(LDLIBS)

# ---- tests ----------------------------------------------------------------------------------------------------------
# tools/run-tests.sh runs Check programs and sums their verdicts; its last line is 'N passed, N failed, N skipped'.
check: all layers $(filter-out %_slow,$(TESTS))
	@sh tools/run-tests.sh -j $(JOBS) $(filter-out %_slow,$(TESTS))

unit: all $(TESTS)
	@sh tools/run-tests.sh -j $(JOBS) $(IN_ORDER)

double:
	@$(MAKE) --no-print-directory VARIANT=double unit

DOUBLE_TESTS := $(patsubst %.c,$(BUILD)/double/%,$(wildcard tests/double/test_*.c))

test-programs: all $(TESTS) $(OUT)/golden
	@$(MAKE) --no-print-directory VARIANT=double double-programs

double-programs: $(TESTS)

test: test-programs layers
	@sh tools/run-tests.sh -j $(JOBS) "$(OUT)/golden $(GOLDEN)" $(DOUBLE_TESTS) $(IN_ORDER) tests/cli/run.sh

cli: all
	@sh tests/cli/run.sh

$(OUT)/golden: $(patsubst %.c,$(OUT)/%.o,$(wildcard tests/golden/*.c)) $(LIB)
	$(CC) -o $@ $^ $(LDLIBS)

$(OUT)/oom $(OUT)/iofault: $(OUT)/%: $(OUT)/tests/fault/%.o $(patsubst %.c,$(OUT)/%.o,$(wildcard tests/fault/fault_*.c)) $(TEST_LIB) $(LIB)
	$(CC) -o $@ $^ -lcheck -lsubunit -lrt $(LDLIBS)

$(OUT)/many_records: $(OUT)/tests/scale/many_records.o $(TEST_LIB) $(LIB)
	$(CC) -o $@ $^ $(CHECK) $(LDLIBS)

# Large grids: planning, tables and merging of thousands of records, memory of several jobs, time to the first step.
scale: all $(OUT)/many_records
	@sh tests/scale/run.sh

# The n-th allocation, or the n-th system call, of every command fails: every n, or some.
oom iofault: %: $(OUT)/%
	@$(OUT)/$@

oom-short iofault-short: %-short: $(OUT)/%
	@$(OUT)/$* --short

golden: $(OUT)/golden
	@$(OUT)/golden $(GOLDEN)

# Single changed bytes in records, adapters, merged files and journals: fsck must find each.
FLIPS ?= 2000
flips: $(OUT)/tests/bench/test_fsck
	@PEFTGRID_FLIPS=$(FLIPS) CK_TIMEOUT_MULTIPLIER=10 $<

flips-short:
	@$(MAKE) --no-print-directory FLIPS=1000 flips

asan ubsan tsan:
	@$(MAKE) --no-print-directory VARIANT=$@ BUILD=$(BUILD) sanitized-tests

# tools/fuzz.sh builds $(OUT)/fuzz where clang has a fuzzer and runs every harness; FUZZ_SECONDS of processor time are shared.
FUZZ_SECONDS ?= 60
fuzz:
	@BUILD=$(BUILD) FUZZ_SECONDS=$(FUZZ_SECONDS) sh tools/fuzz.sh

# Left out: products of full size are timed in the one and functions of a real swept in the other; that takes a sanitizer
# minutes, and their kernels run in other tests.
UNWATCHED := %/test_cmd_bench %/test_vmath_slow
sanitized-tests: $(filter-out $(UNWATCHED),$(TESTS)) $(OUT)/golden
	@sh tools/run-tests.sh -j $(JOBS) "$(OUT)/golden $(GOLDEN)" $(filter-out $(UNWATCHED),$(IN_ORDER))

lint: layers
	@sh tools/lint.sh

layers:
	@sh tools/check-layers.sh

format:
	clang-format -i $(wildcard $(addsuffix /*.[ch],$(ROOMS)) tests/*.[ch] tests/*/*.[ch] tools/*.[ch])

# ---- determinism ----------------------------------------------------------------------------------------------------
# A program whose AVX-512 and AMX kernels run on any machine with AVX2: see tests/determinism/emulated_avx512.h and _amx.h.
EMULATED  := $(addprefix $(OUT)/emulated/core/,gemm_avx512.o rows_avx512.o gemm_int_avx512.o gemm_bf16_avx512.o gemm_bf16_avx512bf16.o gemm_bf16_amx.o cpu.o)
EMULATE   := $(AVX2) -O1 -Wno-psabi -DPG_EMULATED_AVX512
KERNELS   := gemm gemm_bf16 gemm_int fixed_point ops finish rng nf4 bits bayesian_bits wsrc
$(OUT)/emulated/core/%_avx512.o $(OUT)/emulated/core/%_avx512bf16.o: EMULATE += -include tests/determinism/emulated_avx512.h
$(OUT)/emulated/core/%_amx.o: EMULATE += -include tests/determinism/emulated_amx.h

$(OUT)/emulated/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(EMULATE) -MMD -MP -c -o $@ $<

$(OUT)/peftgrid-emulated: $(OUT)/bench/main.o $(EMULATED) $(LIB)
	$(CC) -o $@ $^ $(LDLIBS)

$(OUT)/emulated/test_%: $(OUT)/tests/core/test_%.o $(EMULATED) $(TEST_LIB) $(LIB)
	$(CC) -o $@ $^ -lcheck -lsubunit -lrt $(LDLIBS)

emulated-programs: $(OUT)/peftgrid-emulated

emulated-tests: $(KERNELS:%=$(OUT)/emulated/test_%)
	@PEFTGRID_EMULATED=1 sh tools/run-tests.sh $^

# Needs clang and libsimde-dev; what is missing is skipped by name.
determinism determinism-short: all
	@sh tests/determinism/run.sh $@

# ---- reliability ----------------------------------------------------------------------------------------------------
# Each target breaks what it can and prints 'N passed, N failed, N skipped'; the short forms are for CI.
crash: all
	@sh tests/crash/run.sh 120

crash-short: all
	@sh tests/crash/run.sh 10

# memcheck: a short grid, its table, its merged file.
valgrind: all
	@sh tests/watched/run.sh memcheck

valgrind-short: all
	@sh tests/watched/run.sh memcheck-short

# Threads where there are most of them: the layer itself, products, rows, and every method in a run.
THREADED := $(OUT)/tests/core/test_parallel $(OUT)/tests/core/test_gemm $(OUT)/tests/core/test_ops
threads-watched: $(OUT)/peftgrid $(OUT)/tools/random_checkpoint $(THREADED)
	@PEFTGRID=$(abspath $(OUT))/peftgrid sh tools/run-tests.sh -j $(JOBS) "sh tests/watched/run.sh threads" $(THREADED)

tsan-short:
	@$(MAKE) --no-print-directory VARIANT=tsan threads-watched

# What CI runs of them, some at a time: their programs are built before, so that no two build the same.
RELIABILITY := determinism-short tsan-short fuzz iofault-short oom-short crash-short valgrind-short flips-short
reliability-short: all $(OUT)/oom $(OUT)/iofault $(OUT)/tests/bench/test_fsck
	@sh tools/run-tests.sh -j $(JOBS) $(RELIABILITY:%="$(MAKE) --no-print-directory %")

# ---- use ------------------------------------------------------------------------------------------------------------
demo: all
	@sh tools/demo.sh

bench: all
	@$(BUILD)/peftgrid bench

mini: all
	@sh tools/make-mini.sh

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/peftgrid/experiments $(DESTDIR)$(PREFIX)/share/peftgrid/tools
	install -m 755 $(OUT)/peftgrid $(DESTDIR)$(PREFIX)/bin/peftgrid
	install -m 644 tools/compare_hf.py $(DESTDIR)$(PREFIX)/share/peftgrid/tools
	install -m 644 bench/experiments/*.ini $(DESTDIR)$(PREFIX)/share/peftgrid/experiments/
	$(OUT)/peftgrid help --man > $(DESTDIR)$(PREFIX)/share/man/man1/peftgrid.1

clean:
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d) $(EMULATED:.o=.d) $(OUT)/bench/main.d $(TESTS:=.d) $(TEST_LIB:.o=.d) $(FUZZ_OBJ:.o=.d) $(patsubst %.c,$(OUT)/%.d,$(wildcard tests/golden/*.c tests/fault/*.c tests/scale/*.c))
