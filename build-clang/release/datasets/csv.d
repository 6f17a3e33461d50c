build-clang/release/datasets/csv.o: datasets/csv.c datasets/tabfile.h \
  core/arena.h core/status.h core/file.h

datasets/tabfile.h:

core/arena.h:

core/status.h:

core/file.h:
