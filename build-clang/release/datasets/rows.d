build-clang/release/datasets/rows.o: datasets/rows.c datasets/rows.h \
  datasets/dataset.h core/arena.h core/status.h core/option.h \
  datasets/tokenizer.h datasets/tabfile.h core/file.h core/text.h

datasets/rows.h:

datasets/dataset.h:

core/arena.h:

core/status.h:

core/option.h:

datasets/tokenizer.h:

datasets/tabfile.h:

core/file.h:

core/text.h:
