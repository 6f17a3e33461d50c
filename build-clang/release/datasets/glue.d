build-clang/release/datasets/glue.o: datasets/glue.c datasets/glue.h \
  datasets/dataset.h core/arena.h core/status.h core/option.h \
  datasets/tokenizer.h core/file.h datasets/rows.h datasets/tabfile.h

datasets/glue.h:

datasets/dataset.h:

core/arena.h:

core/status.h:

core/option.h:

datasets/tokenizer.h:

core/file.h:

datasets/rows.h:

datasets/tabfile.h:
