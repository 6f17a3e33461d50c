/* A kept decomposition (core/lq_kept.h over core/cache.h): a cache file of these bytes is taken only if it is what was
 * written; bytes under a right checksum may be anything that has the right length. */
#include "tests/pgtest.h"

#include "tests/fuzz/fuzzing.h"

#include "core/cache.h"
#include "tests/fuzz/kept_sample.h"

static status take(struct arena *a, struct lq_parts *p)
{
    real value[KEPT_SIZE];
    TRY(kept_decompose(a, p));
    lq_values(&p->q, 0, KEPT_SIZE, value);
    fuzz_touch(value, sizeof value);
    fuzz_touch(p->l1, sizeof *p->l1 * (size_t)(KEPT_OUT * p->rank));
    fuzz_touch(p->l2, sizeof *p->l2 * (size_t)(KEPT_IN * p->rank));
    fuzz_touch(p->errors, sizeof *p->errors * (size_t)p->iterations);
    return ST_OK;
}

static status run(const unsigned char *p, size_t n, struct arena *a)
{
    char **names;
    int count = 0;
    struct lq_parts first, again;
    cache_set_folder(path_join(a, fuzz_folder(), "kept"));
    fuzz_file("kept/mark", p, 0, a); /* makes the folder */
    status st = take(a, &first);
    if (st == ST_OK) st = file_list(path_join(a, fuzz_folder(), "kept"), NULL, a, &names, &count);
    fuzz_expect(st != ST_OK || count == 2, "a decomposition is kept");
    const char *name = st == ST_OK ? names[0] : "lq-";
    fuzz_file(arena_printf(a, "kept/%s", name), p, n, a);
    if (st == ST_OK) st = take(a, &again);
    fuzz_expect(st != ST_OK || again.error == first.error, "a file of another content is taken");
    cache_put("lq", name + 3, &(struct file_part){p, n}, 1);
    if (st == ST_OK) st = take(a, &again);
    cache_set_folder(NULL);
    return st;
}

const struct fuzz fuzz_kept = {"kept", "a kept decomposition", run};
