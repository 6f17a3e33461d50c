build-clang/release/core/arena.o: core/arena.c core/arena.h core/status.h

core/arena.h:

core/status.h:
