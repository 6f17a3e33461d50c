build-clang/release/core/ops_reference.o: core/ops_reference.c \
  core/ops_reference.h core/ops.h core/real.h core/rng.h core/wsrc.h

core/ops_reference.h:

core/ops.h:

core/real.h:

core/rng.h:

core/wsrc.h:
