build-clang/release/core/ops.o: core/ops.c core/ops.h core/real.h \
  core/rng.h core/wsrc.h core/ops_reference.h

core/ops.h:

core/real.h:

core/rng.h:

core/wsrc.h:

core/ops_reference.h:
