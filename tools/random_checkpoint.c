/* Writes a model folder with random weights for a given configuration: models of any size for speed tests.
 *
 *     random_checkpoint FOLDER-WITH-CONFIG OUT [--dtype f16] [--shard-mb 500] [--labels 2] [--seed 1]
 *
 * The values are the initial ones of Hugging Face's classes (normal with initializer_range, zero biases, unit gains);
 * the same seed gives the same file. Without --labels the folder holds no classifier, as pretrained models do; decoders
 * then have their output layer. Tensors are drawn when their shard is written: memory is one shard and one tensor. */
#include <stdio.h>
#include <string.h>
#include "core/file.h"
#include "core/jsonfile.h"
#include "models/model.h"
#include "tools/tool.h"

struct options {
    int dtype, shard_mb, labels;
    long long seed;
};
#define AT(field) offsetof(struct options, field)
static const struct option options[] = {
    {"dtype", OPT_ENUM, AT(dtype), 0, 0, "f32", "f32|f16|bf16", "type of the stored values", 0},
    {"shard-mb", OPT_INT, AT(shard_mb), 0, 1 << 20, "0", "N", "largest shard in MB; 0: one file", 0},
    {"labels", OPT_INT, AT(labels), 0, 1 << 16, "0", "N", "classes of a classification head; 0: no head", 0},
    {"seed", OPT_LONG, AT(seed), 0, 0, "1", "N", "seed of the values", 0},
    OPT_END};
#undef AT

static const char command_usage[] = "random_checkpoint FOLDER-WITH-CONFIG OUT [options]";
static const char *const meta[] = {"format", "pt", NULL};

static int ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), e = strlen(end);
    return n >= e && strcmp(s + n - e, end) == 0;
}

/* ---- tensors ---- */

static bool is_norm(const struct param *p)
{
    return p->rows == 1 && strstr(p->name, "orm"); /* LayerNorm, input_layernorm, model.norm */
}

/* The registry keeps vectors as one row; in a file a bias or a norm's gain has one dimension. */
static struct tensor_out describe(const struct param *p, enum dtype dtype)
{
    bool vector = p->rows == 1 && (ends_in(p->name, ".bias") || is_norm(p));
    struct tensor_out t = {.name = p->name, .dtype = dtype, .dims = vector ? 1 : 2};
    t.shape[0] = vector ? p->cols : p->rows;
    t.shape[1] = vector ? 0 : p->cols;
    return t;
}

static size_t stored_bytes(const struct param *p, enum dtype dtype)
{
    return param_size(p) * (size_t)dtype_bytes(dtype);
}

/* A tensor of the head has its values already; the others are drawn as Hugging Face's classes do. */
static void draw(const struct param *p, const struct model *m, real *values)
{
    size_t n = param_size(p);
    if (p->cls == P_HEAD)
        memcpy(values, p->data, n * sizeof *values);
    else if (!ends_in(p->name, ".bias") && !is_norm(p))
        rng_fill_normal(m->spec.rng, p->name, values, n, 0, m->config.init_range);
    else
        for (size_t i = 0; i < n; i++) values[i] = ends_in(p->name, ".bias") ? 0 : 1;
}

static status store(const struct param *p, const struct model *m, enum dtype dtype, struct arena *a,
                    struct tensor_out *t)
{
    size_t n = param_size(p);
    real *values;
    float *x;
    void *bytes = arena_alloc(a, stored_bytes(p, dtype));
    if (!bytes) return ST_MEMORY;
    struct arena_mark mark = arena_mark(a);
    NEW(values, a, n);
    draw(p, m, values);
    NEW(x, a, n);
    for (size_t i = 0; i < n; i++) x[i] = (float)values[i];
    *t = describe(p, dtype);
    t->data = bytes;
    status st = floats_store(dtype, x, n, bytes);
    arena_reset(a, mark);
    return st;
}

/* Tensors first .. first + n - 1 of the registry as one file; memory for the file is given back. */
static status write_part(const struct model *m, int first, int n, enum dtype dtype, const char *path, struct arena *a)
{
    struct arena_mark mark = arena_mark(a);
    struct tensor_out *t;
    NEW(t, a, n);
    for (int i = 0; i < n; i++) TRY(store(m->reg->list[first + i], m, dtype, a, &t[i]));
    TRY(safetensors_write(path, t, n, meta));
    arena_reset(a, mark);
    return ST_OK;
}

/* ---- shards ---- */

/* first[s] .. first[s + 1] - 1 are the tensors of shard s: filled in order, at least one tensor each. */
static status cut_shards(const struct registry *reg, enum dtype dtype, size_t limit, struct arena *a, int **first,
                         int *shards)
{
    size_t used = 0;
    NEW(*first, a, reg->count + 1);
    *shards = 0;
    for (int i = 0; i < reg->count; i++) {
        size_t bytes = stored_bytes(reg->list[i], dtype);
        if (i == 0 || (limit > 0 && used + bytes > limit)) {
            (*first)[(*shards)++] = i;
            used = 0;
        }
        used += bytes;
    }
    (*first)[*shards] = reg->count;
    return ST_OK;
}

static status write_index(const struct registry *reg, const int *first, int shards, char *const *file, enum dtype dtype,
                          const char *path)
{
    json_int_t total = 0;
    json_t *map = json_object();
    for (int s = 0; s < shards; s++)
        for (int i = first[s]; i < first[s + 1]; i++) {
            json_object_set_new(map, reg->list[i]->name, json_string(file[s]));
            total += (json_int_t)stored_bytes(reg->list[i], dtype);
        }
    json_t *root = json_pack("{s:{s:I}, s:o}", "metadata", "total_size", total, "weight_map", map);
    char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
    status st = text ? file_write_atomic(path, text, strlen(text)) : fail(ST_MEMORY, "%s: out of memory", path);
    free(text);
    json_decref(root);
    return st;
}

static status write_weights(const struct model *m, const struct options *o, const char *out, struct arena *a)
{
    const struct registry *reg = m->reg;
    static const enum dtype types[] = {DT_F32, DT_F16, DT_BF16};
    enum dtype dtype = types[o->dtype];
    int *first, shards;
    char **file;
    TRY(cut_shards(reg, dtype, (size_t)o->shard_mb << 20, a, &first, &shards));
    NEW(file, a, shards);
    for (int s = 0; s < shards; s++) {
        file[s] = o->shard_mb ? arena_printf(a, "model-%05d-of-%05d.safetensors", s + 1, shards)
                              : arena_strdup(a, "model.safetensors");
        char *path = file[s] ? path_join(a, out, file[s]) : NULL;
        if (!path) return ST_MEMORY;
        TRY(write_part(m, first[s], first[s + 1] - first[s], dtype, path, a));
        printf("%s\n", path);
    }
    char *index = path_join(a, out, "model.safetensors.index.json");
    if (!index) return ST_MEMORY;
    return o->shard_mb ? write_index(reg, first, shards, file, dtype, index) : ST_OK;
}

/* ---- main ---- */

/* A folder that has weights would keep them beside or before the new ones. */
static status prepare_folder(const char *from, const char *out, struct arena *a)
{
    static const char *const weights[] = {"model.safetensors", "model.safetensors.index.json"};
    char *text;
    size_t n;
    char *config = path_join(a, from, "config.json"), *copy = path_join(a, out, "config.json");
    if (!config || !copy) return ST_MEMORY;
    for (int i = 0; i < 2; i++) {
        char *path = path_join(a, out, weights[i]);
        if (!path) return ST_MEMORY;
        FAIL_IF(file_exists(path), ST_USAGE, "%s: weights are there already, expected a new folder", path);
    }
    TRY(file_read(config, 1 << 24, a, &text, &n));
    TRY(file_make_dirs(out));
    return file_write_atomic(copy, text, n);
}

static status run(const void *given, char **args, int count, struct arena *a)
{
    const struct options *o = given;
    struct rng rng = {.seed = (uint64_t)o->seed};
    struct registry reg;
    struct model_config config;
    struct model *m;
    struct model_spec spec = {.path = args[0],
                              .head = o->labels ? HEAD_CLASSIFY : HEAD_NONE,
                              .num_labels = o->labels,
                              .rng = &rng,
                              .shape = &config,
                              .cls_dropout = -1,
                              .hidden_dropout = -1,
                              .attn_dropout = -1,
                              .train_pooler = -1};
    FAIL_IF(count != 2, ST_USAGE, "expected two folders: %s", command_usage);
    TRY(config_read(args[0], a, &config));
    if (!o->labels && (config.family == FAMILY_PHI || config.family == FAMILY_QWEN2 || config.family == FAMILY_LLAMA))
        spec.head = HEAD_LM;
    TRY(registry_init(&reg, a));
    TRY(model_open(&spec, a, &reg, &m));
    status st = prepare_folder(args[0], args[1], a);
    if (st == ST_OK) st = write_weights(m, o, args[1], a);
    model_close(m);
    return st;
}

static const struct command command = {.name = "random_checkpoint",
                                       .summary = "a model folder with random weights",
                                       .usage = command_usage,
                                       .options = options,
                                       .option_size = sizeof(struct options),
                                       .max_args = -1,
                                       .run = run};

int main(int argc, char **argv)
{
    return tool_main(&command, argc, argv);
}
