build-clang/release/bench/session.o: bench/session.c bench/session.h \
  bench/batch.h datasets/dataset.h core/arena.h core/status.h \
  core/option.h datasets/tokenizer.h models/site.h core/arith.h \
  core/gemm.h core/real.h core/wsrc.h core/rng.h core/param.h \
  bench/optimizer.h methods/method.h models/model.h models/checkpoint.h \
  core/file.h models/config.h core/ops.h models/store.h

bench/session.h:

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

bench/optimizer.h:

methods/method.h:

models/model.h:

models/checkpoint.h:

core/file.h:

models/config.h:

core/ops.h:

models/store.h:
