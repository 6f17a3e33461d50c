build-clang/release/core/arith_f32.o: core/arith_f32.c core/arith.h \
  core/arena.h core/status.h core/gemm.h core/real.h core/wsrc.h \
  core/option.h core/rng.h core/ops.h

core/arith.h:

core/arena.h:

core/status.h:

core/gemm.h:

core/real.h:

core/wsrc.h:

core/option.h:

core/rng.h:

core/ops.h:
