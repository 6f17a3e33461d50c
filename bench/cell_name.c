#include "bench/cell_name.h"

#include <string.h>
#include "bench/cell_data.h"
#include "models/model.h"

/* What the cells of one data set share. */
struct known_data {
    const struct cell *cell; /* the first of them */
    char tokenizer_hash[65], data_hash[65];
    struct known_data *next;
};

struct cell_namer {
    const char *cache_dir;
    struct arena *arena;   /* of what is known */
    struct arena *reading; /* of a model or data set while it is hashed */
    char model_hash[65];
    const char *model_path; /* whose hash that is; NULL: none yet */
    struct known_data *known;
};

status cell_namer_open(const char *cache_dir, struct arena *arena, struct cell_namer **out)
{
    *out = NULL;
    ZNEW(*out, arena, 1);
    (*out)->cache_dir = cache_dir;
    (*out)->arena = arena;
    (*out)->reading = arena_new("inputs of a cell");
    return (*out)->reading ? ST_OK : ST_MEMORY;
}

static status hash_model(struct cell_namer *n, const char *path)
{
    struct registry reg;
    struct model *model;
    struct rng rng = {0};
    const struct model_spec spec = {.path = path, .head = HEAD_CLASSIFY, .num_labels = 2, .rng = &rng};
    if (n->model_path && strcmp(n->model_path, path) == 0) return ST_OK;
    arena_reset(n->reading, (struct arena_mark){0});
    TRY(registry_init(&reg, n->reading));
    TRY(model_open(&spec, n->reading, &reg, &model));
    memcpy(n->model_hash, model->hash, sizeof n->model_hash);
    model_close(model);
    n->model_path = path;
    return ST_OK;
}

static int same_data(const struct cell *a, const struct cell *b)
{
    const char *from_a = a->train.init_from ? a->train.init_from : "",
               *from_b = b->train.init_from ? b->train.init_from : "";
    return a->task == b->task && a->train.max_len == b->train.max_len && a->train.max_train == b->train.max_train &&
           a->train.max_dev == b->train.max_dev && strcmp(from_a, from_b) == 0;
}

/* Lists of options make the cells of one data set alternate with others': each set is read once. */
static status hash_data(struct cell_namer *n, const struct cell *c, const struct known_data **out)
{
    struct cell_data data;
    struct known_data *new;
    for (struct known_data *k = n->known; k; k = k->next)
        if (same_data(k->cell, c)) {
            *out = k;
            return ST_OK;
        }
    ZNEW(new, n->arena, 1);
    arena_reset(n->reading, (struct arena_mark){0});
    status st = cell_data_load(c, n->cache_dir, n->reading, &data);
    if (st == ST_OK) {
        *new = (struct known_data){.cell = c, .next = n->known};
        memcpy(new->tokenizer_hash, data.tokenizer->hash, sizeof new->tokenizer_hash);
        memcpy(new->data_hash, data.hash, sizeof new->data_hash);
        *out = n->known = new;
    }
    cell_data_close(&data);
    return st;
}

status cell_name(struct cell_namer *n, const struct cell *c, char id[65])
{
    const struct known_data *data;
    TRY(hash_model(n, c->model_path));
    TRY(hash_data(n, c, &data));
    return cell_id(c, n->model_hash, data->tokenizer_hash, data->data_hash, id);
}

void cell_namer_close(struct cell_namer *n)
{
    if (n) arena_free(n->reading);
}
