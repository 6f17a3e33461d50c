build-clang/release/models/checkpoint.o: models/checkpoint.c \
  models/checkpoint.h core/arena.h core/status.h core/file.h core/wsrc.h \
  core/real.h core/jsonfile.h

models/checkpoint.h:

core/arena.h:

core/status.h:

core/file.h:

core/wsrc.h:

core/real.h:

core/jsonfile.h:
