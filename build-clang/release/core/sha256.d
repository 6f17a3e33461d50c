build-clang/release/core/sha256.o: core/sha256.c core/sha256.h \
  core/status.h core/file.h core/arena.h

core/sha256.h:

core/status.h:

core/file.h:

core/arena.h:
