#include "tests/pgtest.h"

#include "tests/tiny_cell.h"

#include "core/file.h"
#include "core/text.h"

static const char config[] =
    "{\"model_type\": \"bert\", \"vocab_size\": 57, \"hidden_size\": 16, \"num_hidden_layers\": 2,"
    " \"num_attention_heads\": 2, \"intermediate_size\": 24, \"max_position_embeddings\": 64, \"type_vocab_size\": 2,"
    " \"layer_norm_eps\": 1e-12, \"hidden_act\": \"gelu\", \"pad_token_id\": 0, \"hidden_dropout_prob\": 0.1,"
    " \"attention_probs_dropout_prob\": 0.1, \"initializer_range\": 0.3}";

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[4300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    ck_ok(file_write_atomic(path, text, strlen(text)));
}

static void write_vocabulary(const char *folder)
{
    struct text t = {0};
    ck_ok(text_put(&t, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"));
    for (char c = 'a'; c <= 'z'; c++) ck_ok(text_printf(&t, "%c\n##%c\n", c, c));
    write_file(folder, "vocab.txt", t.s);
    text_free(&t);
}

/* The weights of a session with random ones. */
static void write_weights(const char *folder)
{
    char path[4300];
    struct session s;
    const struct session_spec spec = {
        .model = {.path = folder, .head = HEAD_NONE, .random = 1}, .method = method_find("full_ft"), .seed = 3};
    struct session_spec with = spec;
    int embeddings[2] = {1, 0};
    with.method_options = embeddings;
    ck_ok(session_open(&with, &s));
    struct tensor_out *out = arena_zalloc(s.arena, sizeof *out * (size_t)s.reg.count);
    for (int i = 0; i < s.reg.count; i++) {
        const struct param *p = s.reg.list[i];
        bool vector = p->rows == 1 && p->decay == 0;
        float *values = arena_alloc(s.arena, sizeof *values * param_size(p));
        for (size_t k = 0; k < param_size(p); k++) values[k] = (float)p->data[k];
        out[i] = (struct tensor_out){.name = p->name, .dtype = DT_F32, .dims = vector ? 1 : 2, .data = values};
        out[i].shape[0] = vector ? p->cols : p->rows;
        out[i].shape[1] = p->cols;
    }
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    ck_ok(safetensors_write(path, out, s.reg.count, NULL));
    session_close(&s);
}

const char *tiny_model(void)
{
    static char folder[4096];
    if (*folder) return folder;
    snprintf(folder, sizeof folder, "%s", temp_dir());
    write_file(folder, "config.json", config);
    write_vocabulary(folder);
    write_weights(folder);
    return folder;
}

void tiny_cell_make(struct tiny_cell *t, const char *method, const char *task)
{
    static const char *const settings[][2] = {{"lr", "0.01"},    {"epochs", "2"},     {"batch", "16"},
                                              {"max_len", "24"}, {"max_train", "48"}, {"max_dev", "21"},
                                              {"threads", "1"}};
    *t = (struct tiny_cell){.arena = arena_new("a tiny cell")};
    struct cell *c = &t->cell;
    c->row = method;
    c->label = "tiny";
    c->method = method_find(method);
    c->store = store_find("f32");
    c->task = task_find(task);
    c->model_path = c->model_label = tiny_model();
    c->data_root = "";
    c->seed = 1;
    ck_assert_ptr_nonnull(c->method);
    ck_assert_ptr_nonnull(c->task);
    void *options;
    ck_ok(option_new(c->method->options, c->method->option_size, t->arena, &options));
    c->method_options = options;
    ck_ok(option_defaults(train_option_table, &c->train, t->arena));
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) tiny_train(t, settings[i][0], settings[i][1]);
}

void tiny_cell_free(struct tiny_cell *t)
{
    arena_free(t->arena);
}

void tiny_option(struct tiny_cell *t, const char *name, const char *value)
{
    ck_ok(option_set(t->cell.method->options, (void *)t->cell.method_options, name, value, "test", t->arena));
}

void tiny_train(struct tiny_cell *t, const char *name, const char *value)
{
    ck_ok(option_set(train_option_table, &t->cell.train, name, value, "test", t->arena));
}

/* As the experiment reader makes it, but for the order of lines. */
static const char *canon_of(const struct cell *c, struct arena *arena)
{
    struct text t = {0};
    ck_ok(text_printf(&t, "method=%s\ntask=%s\nseed=%lld\n", c->method->name, c->task->name, c->seed));
    ck_ok(option_canonical(c->method->options, c->method_options, "method", &t));
    ck_ok(option_canonical(train_option_table, &c->train, "train", &t));
    char *canon = arena_strdup(arena, t.s);
    text_free(&t);
    return canon;
}

status tiny_run(struct tiny_cell *t, const char *runs_dir, struct record *r, int *skipped)
{
    const struct run_paths paths = {.runs_dir = runs_dir};
    const char *path = NULL;
    t->cell.canon = canon_of(&t->cell, t->arena);
    status st = cell_run(&t->cell, &paths, NULL, NULL, t->arena, skipped, &path);
    *r = (struct record){0};
    if (path && file_exists(path)) ck_ok(record_read(path, t->arena, r));
    return st;
}
