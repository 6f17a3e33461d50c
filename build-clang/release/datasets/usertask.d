build-clang/release/datasets/usertask.o: datasets/usertask.c core/file.h \
  core/arena.h core/status.h core/text.h datasets/dataset.h \
  core/option.h datasets/tokenizer.h datasets/rows.h datasets/tabfile.h

core/file.h:

core/arena.h:

core/status.h:

core/text.h:

datasets/dataset.h:

core/option.h:

datasets/tokenizer.h:

datasets/rows.h:

datasets/tabfile.h:
