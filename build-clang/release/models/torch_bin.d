build-clang/release/models/torch_bin.o: models/torch_bin.c \
  models/checkpoint.h core/arena.h core/status.h core/file.h core/wsrc.h \
  core/real.h

models/checkpoint.h:

core/arena.h:

core/status.h:

core/file.h:

core/wsrc.h:

core/real.h:
