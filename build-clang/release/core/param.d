build-clang/release/core/param.o: core/param.c core/param.h core/arena.h \
  core/status.h core/real.h core/rng.h core/wsrc.h

core/param.h:

core/arena.h:

core/status.h:

core/real.h:

core/rng.h:

core/wsrc.h:
