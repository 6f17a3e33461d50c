build-clang/release/tests/models/test_config.o: \
  tests/models/test_config.c tests/pgtest.h core/status.h core/file.h \
  core/arena.h models/config.h core/ops.h core/real.h core/rng.h \
  core/wsrc.h

tests/pgtest.h:

core/status.h:

core/file.h:

core/arena.h:

models/config.h:

core/ops.h:

core/real.h:

core/rng.h:

core/wsrc.h:
