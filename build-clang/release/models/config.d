build-clang/release/models/config.o: models/config.c models/config.h \
  core/arena.h core/status.h core/ops.h core/real.h core/rng.h \
  core/wsrc.h core/file.h core/jsonfile.h

models/config.h:

core/arena.h:

core/status.h:

core/ops.h:

core/real.h:

core/rng.h:

core/wsrc.h:

core/file.h:

core/jsonfile.h:
