build-clang/release/datasets/jsonl.o: datasets/jsonl.c datasets/tabfile.h \
  core/arena.h core/status.h core/file.h core/text.h

datasets/tabfile.h:

core/arena.h:

core/status.h:

core/file.h:

core/text.h:
