#include "tests/fuzz/reseal.h"

#include "bench/run_list.h"
#include "results/record_image.h"

static status run(const unsigned char *p, size_t n, struct arena *a)
{
    struct record r;
    struct run taken;
    const char *path = fuzz_sealed("run.h5", RECORD_FORMAT, p, n, a);
    TRY(record_read(path, a, &r));
    for (int i = 0; i < r.count; i++) fuzz_expect(schema_find(r.item[i].path) != NULL, "an item outside of the schema");
    return run_take(&r, path, "", a, &taken);
}

const struct fuzz fuzz_record = {"record", "the record of a run, with its seal made anew or as it is", run};
