/* make iofault: the n-th system call of every command fails or is cut short, in every way that it can. `--short` tries
 * some values of n only; a job's name runs that job alone. */
#include <stdio.h>
#include <string.h>
#include "tests/fault/fault_places.h"
#include "tests/fault/fault_sweep.h"

static struct sweep sweeps[SYS_FAULTS] = {
    {"EIO", FAULT_SYSTEM, SYS_EIO, ST_IO, "Input/output error", 0},
    {"EINTR", FAULT_SYSTEM, SYS_EINTR, 0, "", 0},
    {"short", FAULT_SYSTEM, SYS_SHORT, 0, "", 0},
    {"ENOSPC", FAULT_SYSTEM, SYS_FULL, ST_IO, "No space left on device", 0},
};

static int brief;
static const char *only;

static int work(void)
{
    struct verdicts v = {0};
    struct bench b;
    if (fault_share() != ST_OK || !bench_open(&b)) return 1;
    for (int i = 0; i < b.jobs; i++)
        for (int k = 0; k < SYS_FAULTS && (!only || strcmp(only, b.job[i].name) == 0); k++) {
            sweeps[k].most = brief ? 8 : 0;
            if (sweep_job(&b, &b.job[i], &sweeps[k]))
                v.passed++;
            else
                v.failed++;
        }
    if (!only || strcmp(only, "places") == 0) {
        full_disk(&b, &v);
        read_only_disk(&b, &v);
        full_output(&b, &v);
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
