#include "tests/fuzz/reseal.h"

#include "results/record_image.h"
#include "results/record_pack.h"

static status run(const unsigned char *p, size_t n, struct arena *a)
{
    struct record_pack *pack;
    TRY(record_pack_open(fuzz_sealed("all.h5", PACK_FORMAT, p, n, a), a, &pack));
    for (int i = 0; i < record_pack_count(pack); i++) {
        struct arena_mark mark = arena_mark(a);
        struct record r;
        TRY(record_pack_read(pack, i, a, &r));
        arena_reset(a, mark);
    }
    return ST_OK;
}

const struct fuzz fuzz_merged = {"merged", "a merged file of records, with its seal made anew or as it is", run};
