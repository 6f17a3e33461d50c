build-clang/release/core/cpu.o: core/cpu.c core/cpu.h core/status.h

core/cpu.h:

core/status.h:
