build-clang/release/core/gemm_avx2.o: core/gemm_avx2.c core/gemm.h \
  core/real.h core/status.h core/wsrc.h

core/gemm.h:

core/real.h:

core/status.h:

core/wsrc.h:
