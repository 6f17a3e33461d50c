build-clang/release/core/lowrank.o: core/lowrank.c core/lowrank.h \
  core/arena.h core/status.h core/real.h core/gemm.h core/wsrc.h \
  core/parallel.h

core/lowrank.h:

core/arena.h:

core/status.h:

core/real.h:

core/gemm.h:

core/wsrc.h:

core/parallel.h:
