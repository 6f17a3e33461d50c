build-clang/release/methods/skeleton.o: methods/skeleton.c core/gemm.h \
  core/real.h core/status.h core/wsrc.h core/ops.h core/rng.h \
  methods/method.h core/option.h core/arena.h core/param.h models/site.h \
  core/arith.h

core/gemm.h:

core/real.h:

core/status.h:

core/wsrc.h:

core/ops.h:

core/rng.h:

methods/method.h:

core/option.h:

core/arena.h:

core/param.h:

models/site.h:

core/arith.h:
