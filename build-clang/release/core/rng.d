build-clang/release/core/rng.o: core/rng.c core/rng.h core/real.h \
  core/parallel.h core/rng_block.h

core/rng.h:

core/real.h:

core/parallel.h:

core/rng_block.h:
