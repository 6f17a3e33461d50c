build-clang/release/core/option.o: core/option.c core/option.h \
  core/arena.h core/status.h core/text.h

core/option.h:

core/arena.h:

core/status.h:

core/text.h:
