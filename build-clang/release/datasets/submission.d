build-clang/release/datasets/submission.o: datasets/submission.c \
  core/file.h core/arena.h core/status.h core/text.h datasets/dataset.h \
  core/option.h datasets/tokenizer.h

core/file.h:

core/arena.h:

core/status.h:

core/text.h:

datasets/dataset.h:

core/option.h:

datasets/tokenizer.h:
