build-clang/release/core/parallel.o: core/parallel.c core/parallel.h \
  core/cpu.h core/status.h

core/parallel.h:

core/cpu.h:

core/status.h:
