build-clang/release/core/text.o: core/text.c core/text.h core/arena.h \
  core/status.h

core/text.h:

core/arena.h:

core/status.h:
