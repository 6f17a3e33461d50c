#include "tests/fuzz/fuzzing.h"

#include <string.h>
#include "bench/experiment.h"

static status run(const unsigned char *p, size_t n, struct arena *a)
{
    struct experiment e;
    char id[65];
    TRY(experiment_read(fuzz_file("fuzz.ini", p, n, a), a, &e));
    for (int i = 0; i < e.cells; i++) {
        fuzz_touch(e.cell[i].label, strlen(e.cell[i].label));
        if (i < 3) TRY(cell_id(&e.cell[i], "model", "tokenizer", "data", id));
    }
    return ST_OK;
}

const struct fuzz fuzz_experiment = {"experiment", "an experiment file", run};
