build-clang/release/bench/batch.o: bench/batch.c bench/batch.h \
  datasets/dataset.h core/arena.h core/status.h core/option.h \
  datasets/tokenizer.h models/site.h core/arith.h core/gemm.h \
  core/real.h core/wsrc.h core/rng.h core/param.h

bench/batch.h:

datasets/dataset.h:

core/arena.h:

core/status.h:

core/option.h:

datasets/tokenizer.h:

models/site.h:

core/arith.h:

core/gemm.h:

core/real.h:

core/wsrc.h:

core/rng.h:

core/param.h:
