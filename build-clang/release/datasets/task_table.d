build-clang/release/datasets/task_table.o: datasets/task_table.c \
  core/file.h core/arena.h core/status.h datasets/glue.h \
  datasets/dataset.h core/option.h datasets/tokenizer.h

core/file.h:

core/arena.h:

core/status.h:

datasets/glue.h:

datasets/dataset.h:

core/option.h:

datasets/tokenizer.h:
