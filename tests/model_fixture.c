#include "tests/pgtest.h"

#include "tests/model_fixture.h"

#include <jansson.h>
#include "core/file.h"
#include "core/parallel.h"
#include "core/rng.h"

static status begin(struct fixture *f)
{
    *f = (struct fixture){.rng = {.seed = 7}};
    parallel_set_threads(1); /* models of a few rows: starting a team costs more than the work */
    f->arena = arena_new("model");
    f->tape = arena_new("tape");
    f->scratch = arena_new("scratch");
    return f->arena && f->tape && f->scratch ? registry_init(&f->reg, f->arena) : ST_MEMORY;
}

static status finish(struct fixture *f, struct model_spec *spec)
{
    status st = begin(f);
    spec->rng = &f->rng;
    spec->cls_dropout = spec->hidden_dropout = spec->attn_dropout = -1;
    f->pass = (struct pass){
        .batch = &f->batch, .rng = &f->rng, .arith = &arith_f32, .keep = true, .tape = f->tape, .scratch = f->scratch};
    if (st == ST_OK) st = model_open(spec, f->arena, &f->reg, &f->model);
    if (st != ST_OK) {
        f->model = NULL;
        fixture_close(f);
    }
    return st;
}

status fixture_open(struct fixture *f, const char *path, enum head_kind head, int labels)
{
    return finish(f, &(struct model_spec){.path = path, .head = head, .num_labels = labels, .train_pooler = -1});
}

void fixture_random(struct fixture *f, const char *config, enum head_kind head, int labels)
{
    char dir[4200], file[4300];
    snprintf(dir, sizeof dir, "%s/config", temp_dir());
    snprintf(file, sizeof file, "%s/config.json", dir);
    ck_ok(file_make_dirs(dir));
    ck_ok(file_write_atomic(file, config, strlen(config)));
    ck_ok(finish(
        f, &(struct model_spec){.path = dir, .head = head, .num_labels = labels, .train_pooler = 1, .random = 1}));
    for (int i = 0; i < f->reg.count; i++) {
        struct param *p = f->reg.list[i];
        bool gain = strstr(p->name, "orm.weight") != NULL;
        rng_fill_normal(&f->rng, p->name, p->data, param_size(p), gain ? 1 : 0, p->rows == 1 ? 0.1 : 0.3);
    }
}

void fixture_close(struct fixture *f)
{
    model_close(f->model);
    arena_free(f->arena);
    arena_free(f->tape);
    arena_free(f->scratch);
}

/* ---- batches ---- */

struct room {
    int *offset;
    int32_t *ids, *types, *label;
    uint32_t *row_key, *slot;
    float *target;
};

static struct room batch_room(struct fixture *f, int n, int tokens)
{
    struct room r;
    r.offset = arena_zalloc(f->arena, sizeof *r.offset * (size_t)(n + 1));
    r.ids = arena_zalloc(f->arena, sizeof *r.ids * (size_t)tokens);
    r.types = arena_zalloc(f->arena, sizeof *r.types * (size_t)tokens);
    r.label = arena_zalloc(f->arena, sizeof *r.label * (size_t)tokens);
    r.row_key = arena_zalloc(f->arena, sizeof *r.row_key * (size_t)tokens);
    r.slot = arena_zalloc(f->arena, sizeof *r.slot * (size_t)n);
    r.target = arena_zalloc(f->arena, sizeof *r.target * (size_t)n);
    f->batch = (struct batch){.n = n,
                              .tokens = tokens,
                              .offset = r.offset,
                              .ids = r.ids,
                              .types = r.types,
                              .row_key = r.row_key,
                              .slot = r.slot,
                              .label = r.label,
                              .target = r.target,
                              .step_examples = n};
    return r;
}

static void place(const struct fixture *f, const struct room *r)
{
    for (int s = 0; s < f->batch.n; s++) {
        r->slot[s] = (uint32_t)s;
        for (int t = r->offset[s]; t < r->offset[s + 1]; t++)
            r->row_key[t] = (uint32_t)s << 16 | (uint32_t)(t - r->offset[s]);
    }
}

void fixture_batch_file(struct fixture *f, const char *path)
{
    json_error_t error;
    json_t *all = json_load_file(path, 0, &error);
    ck_assert_msg(all != NULL, "%s: %s", path, error.text);
    int n = (int)json_array_size(all), tokens = 0;
    for (int s = 0; s < n; s++)
        tokens += (int)json_array_size(json_object_get(json_array_get(all, (size_t)s), "input_ids"));
    struct room r = batch_room(f, n, tokens);
    for (int s = 0; s < n; s++) {
        const json_t *row = json_array_get(all, (size_t)s), *ids = json_object_get(row, "input_ids");
        const json_t *types = json_object_get(row, "token_type_ids"), *label = json_object_get(row, "label");
        int at = r.offset[s], len = (int)json_array_size(ids);
        for (int t = 0; t < len; t++) {
            r.ids[at + t] = (int32_t)json_integer_value(json_array_get(ids, (size_t)t));
            if (types) r.types[at + t] = (int32_t)json_integer_value(json_array_get(types, (size_t)t));
        }
        r.offset[s + 1] = at + len;
        r.label[s] = (int32_t)json_integer_value(label);
        r.target[s] = (float)json_number_value(label);
    }
    json_decref(all);
    if (f->model->spec.head == HEAD_LM) {
        f->batch.step_examples = tokens - n;
        for (int s = 0; s < n; s++)
            for (int t = r.offset[s]; t < r.offset[s + 1]; t++)
                r.label[t] = t + 1 < r.offset[s + 1] ? r.ids[t + 1] : -1;
    }
    place(f, &r);
}

void fixture_batch_random(struct fixture *f, const int *length, int n)
{
    const struct model_config *c = &f->model->config;
    int tokens = 0, targets = 0;
    for (int s = 0; s < n; s++) tokens += length[s];
    struct room r = batch_room(f, n, tokens);
    for (int s = 0; s < n; s++) r.offset[s + 1] = r.offset[s] + length[s];
    for (int t = 0; t < tokens; t++) {
        r.ids[t] = 2 + rng_below(&f->rng, RNG_DATA, 0, 0, 1, (uint64_t)t, c->vocab - 2);
        if (c->type_vocab > 0) r.types[t] = rng_below(&f->rng, RNG_DATA, 0, 0, 2, (uint64_t)t, c->type_vocab);
    }
    if (f->model->spec.head == HEAD_MLM || f->model->spec.head == HEAD_LM)
        for (int t = 0; t < tokens; t++) {
            r.label[t] = t % 3 == 1 ? r.ids[t] : -1;
            targets += t % 3 == 1;
        }
    else
        for (int s = 0; s < n; s++) {
            r.label[s] = s % (f->model->num_labels > 0 ? f->model->num_labels : 1);
            r.target[s] = (float)s * 0.5f;
        }
    if (targets) f->batch.step_examples = targets;
    place(f, &r);
}

void fixture_batch_part(struct fixture *f, const struct fixture *whole, int first, int n)
{
    const struct batch *w = &whole->batch;
    int at = w->offset[first];
    struct room r = batch_room(f, n, w->offset[first + n] - at);
    for (int s = 0; s <= n; s++) r.offset[s] = w->offset[first + s] - at;
    memcpy(r.ids, w->ids + at, sizeof *r.ids * (size_t)f->batch.tokens);
    memcpy(r.types, w->types + at, sizeof *r.types * (size_t)f->batch.tokens);
    memcpy(r.row_key, w->row_key + at, sizeof *r.row_key * (size_t)f->batch.tokens);
    memcpy(r.slot, w->slot + first, sizeof *r.slot * (size_t)n);
    memcpy(r.label, w->label + first, sizeof *r.label * (size_t)n);
    memcpy(r.target, w->target + first, sizeof *r.target * (size_t)n);
    f->batch.step_examples = w->step_examples;
}

/* ---- passes ---- */

void fixture_thaw_all(struct fixture *f)
{
    for (int i = 0; i < f->reg.count; i++) ck_ok(param_thaw(&f->reg, f->reg.list[i]));
}

static double forward(struct fixture *f, struct mat *logits, struct mat *hidden, bool grads)
{
    struct mat own, d;
    double loss = 0;
    arena_reset(f->tape, (struct arena_mark){0});
    arena_reset(f->scratch, (struct arena_mark){0});
    if (!logits) logits = &own;
    ck_ok(model_forward(f->model, &f->pass, logits, hidden));
    ck_assert_uint_eq(arena_used(f->scratch), 0);
    if (f->model->spec.head == HEAD_NONE) return 0;
    if (!grads) {
        ck_ok(model_loss(f->model, &f->pass, logits, NULL, &loss));
        return loss;
    }
    param_zero_grads(&f->reg);
    d = mat_of(arena_alloc(f->tape, sizeof(real) * (size_t)(logits->rows * logits->cols)), logits->rows, logits->cols);
    ck_ok(model_loss(f->model, &f->pass, logits, &d, &loss));
    ck_ok(model_backward(f->model, &f->pass, &d));
    ck_assert_uint_eq(arena_used(f->scratch), 0);
    return loss;
}

double fixture_forward(struct fixture *f, struct mat *logits, struct mat *hidden)
{
    return forward(f, logits, hidden, false);
}

double fixture_step(struct fixture *f, struct mat *logits, struct mat *hidden)
{
    return forward(f, logits, hidden, true);
}
