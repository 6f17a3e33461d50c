/* A file of stored weights for a small BERT whose base is kept in int8. */
#include "tests/pgtest.h"

#include "tests/fuzz/fuzzing.h"

#include "models/stored_file.h"
#include "tests/model_fixture.h"
#include "tests/tiny_cell.h"

static status take_weights(const struct model *m)
{
    real row[64];
    for (int i = 0; i < m->sites; i++) {
        const struct site *s = m->site[i];
        if (!model_stores_site(s)) continue;
        fuzz_expect(s->w.rows == s->out && s->w.cols == s->in && s->in <= 64, "a weight of another shape");
        for (int r = 0; r < s->w.rows; r++) wsrc_row(&s->w, r, row);
        fuzz_touch(row, sizeof *row * (size_t)s->in);
    }
    return ST_OK;
}

static status run(const unsigned char *p, size_t n, struct arena *a)
{
    struct fixture f;
    const char *path = fuzz_weights("base.safetensors", p, n, a);
    TRY(fixture_open(&f, tiny_model(), HEAD_CLASSIFY, 2));
    status st = store_file_map(f.model, store_find("int8"), NULL, path);
    if (st == ST_OK) st = take_weights(f.model);
    fixture_close(&f);
    return st;
}

const struct fuzz fuzz_stored_file = {"stored_file", "a file of stored weights", run};
