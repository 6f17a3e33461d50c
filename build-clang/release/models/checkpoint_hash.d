build-clang/release/models/checkpoint_hash.o: models/checkpoint_hash.c \
  models/checkpoint.h core/arena.h core/status.h core/file.h core/wsrc.h \
  core/real.h core/sha256.h

models/checkpoint.h:

core/arena.h:

core/status.h:

core/file.h:

core/wsrc.h:

core/real.h:

core/sha256.h:
