/* make oom: the n-th allocation of every command fails. `--short` tries some values of n only; a job's name runs that
 * job alone. */
#include <stdio.h>
#include <string.h>
#include "tests/fault/fault_places.h"
#include "tests/fault/fault_sweep.h"

static int brief;
static const char *only;

static int work(void)
{
    struct sweep sweep = {"memory", FAULT_MEMORY, SYS_EIO, ST_MEMORY, "out of memory", brief ? 40 : 0};
    struct verdicts v = {0};
    struct bench b;
    if (fault_share() != ST_OK || !bench_open(&b)) return 1;
    for (int i = 0; i < b.jobs; i++) {
        if (b.job[i].slow || (only && strcmp(only, b.job[i].name) != 0)) continue;
        if (sweep_job(&b, &b.job[i], &sweep))
            v.passed++;
        else
            v.failed++;
    }
    if (!only || strcmp(only, "places") == 0) {
        little_memory(&b, &v);
    }
    bench_close(&b);
    printf("%d passed, %d failed, %d skipped\n", v.passed, v.failed, v.skipped);
    return v.failed != 0;
}

int main(int argc, char **argv)
{
    brief = argc > 1 && strcmp(argv[1], "--short") == 0;
    only = argc > 1 && !brief ? argv[1] : NULL;
    return fault_main(work);
}
