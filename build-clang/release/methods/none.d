build-clang/release/methods/none.o: methods/none.c methods/method.h \
  core/option.h core/arena.h core/status.h core/param.h core/real.h \
  core/rng.h core/wsrc.h models/site.h core/arith.h core/gemm.h

methods/method.h:

core/option.h:

core/arena.h:

core/status.h:

core/param.h:

core/real.h:

core/rng.h:

core/wsrc.h:

models/site.h:

core/arith.h:

core/gemm.h:
