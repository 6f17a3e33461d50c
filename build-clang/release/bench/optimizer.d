build-clang/release/bench/optimizer.o: bench/optimizer.c \
  bench/optimizer.h core/param.h core/arena.h core/status.h core/real.h \
  core/rng.h core/wsrc.h core/ops.h core/parallel.h

bench/optimizer.h:

core/param.h:

core/arena.h:

core/status.h:

core/real.h:

core/rng.h:

core/wsrc.h:

core/ops.h:

core/parallel.h:
