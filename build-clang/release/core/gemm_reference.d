build-clang/release/core/gemm_reference.o: core/gemm_reference.c \
  core/gemm.h core/real.h core/status.h core/wsrc.h

core/gemm.h:

core/real.h:

core/status.h:

core/wsrc.h:
