build-clang/release/datasets/tsv.o: datasets/tsv.c datasets/tabfile.h \
  core/arena.h core/status.h core/file.h

datasets/tabfile.h:

core/arena.h:

core/status.h:

core/file.h:
