build-clang/release/methods/lora.o: methods/lora.c core/gemm.h \
  core/real.h core/status.h core/wsrc.h core/lowrank.h core/arena.h \
  core/ops.h core/rng.h core/text.h methods/method.h core/option.h \
  core/param.h models/site.h core/arith.h

core/gemm.h:

core/real.h:

core/status.h:

core/wsrc.h:

core/lowrank.h:

core/arena.h:

core/ops.h:

core/rng.h:

core/text.h:

methods/method.h:

core/option.h:

core/param.h:

models/site.h:

core/arith.h:
