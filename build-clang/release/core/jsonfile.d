build-clang/release/core/jsonfile.o: core/jsonfile.c core/jsonfile.h \
  core/arena.h core/status.h core/file.h

core/jsonfile.h:

core/arena.h:

core/status.h:

core/file.h:
