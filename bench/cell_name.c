#include "bench/cell_name.h"

#include <string.h>
#include "bench/cell_data.h"
#include "models/model.h"

struct cell_namer {
    const char *cache_dir;
    struct arena *model_arena, *data_arena;
    char model_hash[65];
    const char *model_path;  /* whose hash that is; NULL: none yet */
    struct cell_data data;   /* of the last cell */
    const struct cell *last; /* NULL: none yet */
};

status cell_namer_open(const char *cache_dir, struct arena *arena, struct cell_namer **out)
{
    *out = NULL;
    ZNEW(*out, arena, 1);
    (*out)->cache_dir = cache_dir;
    (*out)->model_arena = arena_new("model");
    (*out)->data_arena = arena_new("data");
    return (*out)->model_arena && (*out)->data_arena ? ST_OK : ST_MEMORY;
}

static status hash_model(struct cell_namer *n, const char *path)
{
    struct registry reg;
    struct model *model;
    struct rng rng = {0};
    const struct model_spec spec = {.path = path, .head = HEAD_CLASSIFY, .num_labels = 2, .rng = &rng};
    if (n->model_path && strcmp(n->model_path, path) == 0) return ST_OK;
    TRY(registry_init(&reg, n->model_arena));
    TRY(model_open(&spec, n->model_arena, &reg, &model));
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

static status hash_data(struct cell_namer *n, const struct cell *c)
{
    if (n->last && same_data(n->last, c)) return ST_OK;
    if (n->last) cell_data_close(&n->data);
    n->last = NULL;
    arena_reset(n->data_arena, (struct arena_mark){0});
    status st = cell_data_load(c, n->cache_dir, n->data_arena, &n->data);
    if (st == ST_OK)
        n->last = c;
    else
        cell_data_close(&n->data);
    return st;
}

status cell_name(struct cell_namer *n, const struct cell *c, char id[65])
{
    TRY(hash_model(n, c->model_path));
    TRY(hash_data(n, c));
    return cell_id(c, n->model_hash, n->data.tokenizer->hash, n->data.hash, id);
}

void cell_namer_close(struct cell_namer *n)
{
    if (!n) return;
    if (n->last) cell_data_close(&n->data);
    arena_free(n->data_arena);
    arena_free(n->model_arena);
}
