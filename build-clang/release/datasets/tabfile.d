build-clang/release/datasets/tabfile.o: datasets/tabfile.c \
  datasets/tabfile.h core/arena.h core/status.h core/file.h core/text.h

datasets/tabfile.h:

core/arena.h:

core/status.h:

core/file.h:

core/text.h:
