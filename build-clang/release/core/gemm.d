build-clang/release/core/gemm.o: core/gemm.c core/gemm.h core/real.h \
  core/status.h core/wsrc.h core/parallel.h

core/gemm.h:

core/real.h:

core/status.h:

core/wsrc.h:

core/parallel.h:
