build-clang/release/core/file.o: core/file.c core/file.h core/arena.h \
  core/status.h

core/file.h:

core/arena.h:

core/status.h:
