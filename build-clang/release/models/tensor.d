build-clang/release/models/tensor.o: models/tensor.c models/checkpoint.h \
  core/arena.h core/status.h core/file.h core/wsrc.h core/real.h

models/checkpoint.h:

core/arena.h:

core/status.h:

core/file.h:

core/wsrc.h:

core/real.h:
