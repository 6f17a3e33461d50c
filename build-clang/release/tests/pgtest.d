build-clang/release/tests/pgtest.o: tests/pgtest.c tests/pgtest.h \
  core/status.h

tests/pgtest.h:

core/status.h:
