/* The harnesses under libFuzzer: one program, PEFTGRID_FUZZ names the harness. */
#include "tests/pgtest.h"

#include <stdint.h>
#include "tests/fuzz/fuzzing.h"

/* The tests' helpers assert with Check's macros, which outside of a Check suite end in these two. */
void _mark_point(const char *file, int line)
{
    (void)file, (void)line;
}

void _ck_assert_failed(const char *file, int line, const char *expr, const char *msg, ...)
{
    fprintf(stderr, "FINDING: %s:%d: %s (%s)\n", file, line, expr, msg ? msg : "");
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const struct fuzz *harness;
    const char *name = getenv("PEFTGRID_FUZZ");
    if (!harness && (!name || !(harness = fuzz_find(name)))) {
        fprintf(stderr, "PEFTGRID_FUZZ should name one of the harnesses:\n");
        for (int i = 0; fuzz_table[i]; i++)
            fprintf(stderr, "  %-14s %s\n", fuzz_table[i]->name, fuzz_table[i]->summary);
        exit(2);
    }
    fuzz_run(harness, p, n);
    return 0;
}
