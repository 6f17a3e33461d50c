build-clang/release/core/wsrc.o: core/wsrc.c core/wsrc.h core/real.h

core/wsrc.h:

core/real.h:
