build-clang/release/tests/models/test_checkpoint.o: \
  tests/models/test_checkpoint.c tests/pgtest.h core/status.h \
  core/file.h core/arena.h models/checkpoint.h core/wsrc.h core/real.h

tests/pgtest.h:

core/status.h:

core/file.h:

core/arena.h:

models/checkpoint.h:

core/wsrc.h:

core/real.h:
