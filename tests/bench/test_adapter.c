/* Adapter files: our own form there and back, folders of the peft library with their logits, a published LoRA adapter
 * in two containers, and refusals that name the tensor. */
#include "tests/pgtest.h"

#include <math.h>
#include "bench/adapter.h"
#include "core/file.h"
#include "core/jsonfile.h"
#include "core/text.h"
#include "tests/tiny_cell.h"

static struct arena *arena;

static status open_tiny(const char *method, const char *options, uint64_t seed, struct session *s)
{
    const struct adapter_info info = {.method = method, .options = options};
    struct session_spec spec = {.model = {.path = tiny_model(), .head = HEAD_CLASSIFY, .num_labels = 3}, .seed = seed};
    void *o;
    notice_quiet(1);
    if (!arena) arena = arena_new("test");
    ck_ok(adapter_method(&info, "the test", &spec.method, &o, arena));
    spec.method_options = o;
    return session_open(&spec, s);
}

static const char *new_path(const char *name)
{
    return path_join(arena, temp_dir(), name);
}

static void disturb(struct session *s)
{
    for (int i = 0; i < s->reg.count; i++) {
        struct param *p = s->reg.list[i];
        if (p->cls == P_ADAPTER || p->cls == P_HEAD) rng_fill_normal(&s->rng, p->name, p->data, param_size(p), 0, 1);
    }
}

static void ck_same(const struct session *a, const struct session *b)
{
    for (int i = 0; i < a->reg.count; i++) {
        const struct param *p = a->reg.list[i], *q = param_find(&b->reg, p->name);
        if (p->cls != P_ADAPTER && p->cls != P_HEAD) continue;
        ck_assert_msg(q && memcmp(p->data, q->data, sizeof(real) * param_size(p)) == 0, "%s differs", p->name);
    }
}

START_TEST(there_and_back)
{
    struct session a, b;
    struct adapter_info info;
    ck_ok(open_tiny("lora", "rank=1\nalpha=3\nsites=query+ffn_in\n", 7, &a));
    disturb(&a);
    const char *path = new_path("a.safetensors");
    ck_ok(adapter_save(&a, path, "mnli", 99));
    ck_ok(adapter_inspect(path, arena, &info));
    ck_assert_str_eq(info.method, "lora");
    ck_assert_str_eq(info.task, "mnli");
    ck_assert_str_eq(info.model_hash, a.model->hash);
    ck_assert_int_eq(info.labels, 3);
    ck_assert_int_eq(info.max_len, 99);
    ck_assert_int_eq(info.seed, 7);
    ck_assert(!info.foreign);
    ck_ok(open_tiny(info.method, info.options, 8, &b));
    ck_ok(adapter_load(&b, path, ADAPTER_EXACT));
    ck_same(&a, &b);
    ck_assert_uint_eq(adapter_bytes(&a), sizeof(real) * (2 * (32 + 40) + 3 * 17));
    session_close(&a);
    session_close(&b);
}
END_TEST

/* What the base was kept as goes with the adapter; a preset's name stands for its method and options. */
START_TEST(stores_and_presets)
{
    struct session s;
    struct adapter_info info;
    const struct store *nf4 = store_find("nf4");
    const struct method *method;
    if (!arena) arena = arena_new("test");
    void *store_options, *options;
    char text[64];
    ck_ok(option_new(nf4->options, nf4->option_size, arena, &store_options));
    ck_ok(option_set(nf4->options, store_options, "block", "32", "test", arena));
    info = (struct adapter_info){.method = "qlora", .options = "rank=2\n"};
    ck_ok(adapter_method(&info, "test", &method, &options, arena));
    ck_assert_ptr_eq(method, method_find("lora"));
    option_text(option_find(method->options, "rank"), options, text, sizeof text);
    ck_assert_str_eq(text, "2");
    option_text(option_find(method->options, "dropout"), options, text, sizeof text);
    ck_assert_str_eq(text, "0.1");
    ck_ok(open_tiny("lora", "rank=1\n", 7, &s));
    s.store = nf4, s.store_options = store_options;
    const char *path = new_path("stored.safetensors");
    ck_ok(adapter_save(&s, path, "mnli", 99));
    session_close(&s);
    ck_ok(adapter_inspect(path, arena, &info));
    ck_assert_str_eq(info.store, "nf4");
    ck_ok(option_defaults(nf4->options, store_options, arena));
    ck_ok(adapter_options(info.store_options, path, nf4->options, store_options, arena));
    option_text(option_find(nf4->options, "block"), store_options, text, sizeof text);
    ck_assert_str_eq(text, "32");
}
END_TEST

/* A file written by hand for the tiny model: names, shapes and values of one kind of foreign adapter. */
static const char *write_foreign(const char *folder, const char *pattern, int rank, bool with_head)
{
    static float values[24 * 24];
    struct tensor_out t[16];
    int n = 0;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) values[i] = (float)i / 64;
    for (int layer = 0; layer < 2; layer++)
        for (int b = 0; b < 2; b++) {
            t[n] = (struct tensor_out){
                .dtype = DT_F32, .dims = 2, .shape = {b ? 16 : rank, b ? rank : 16}, .data = values};
            t[n++].name = arena_printf(arena, pattern, layer, b ? 'B' : 'A');
        }
    if (with_head) {
        t[n++] = (struct tensor_out){"base_model.model.classifier.weight", DT_F32, 2, {3, 16}, values};
        t[n++] =
            (struct tensor_out){"base_model.model.classifier.modules_to_save.default.bias", DT_F32, 1, {3}, values};
        t[n++] = (struct tensor_out){"base_model.model.classifier.original_module.weight", DT_F32, 2, {3, 16}, values};
        t[n++] = (struct tensor_out){"base_model.model.bert.pooler.dense.weight", DT_F32, 2, {16, 16}, values};
    }
    const char *path = path_join(arena, folder, "adapter_model.safetensors");
    ck_ok(safetensors_write(path, t, n, NULL));
    return path;
}

static void write_config(const char *folder, const char *json)
{
    ck_ok(file_write_atomic(path_join(arena, folder, "adapter_config.json"), json, strlen(json)));
}

START_TEST(peft_folders_in_both_prefix_forms)
{
    static const char *const patterns[] = {
        "base_model.model.bert.encoder.layer.%d.attention.self.query.lora_%c.weight",
        "base_model.model.encoder.layer.%d.attention.self.query.lora_%c.weight",
        "base_model.model.bert.encoder.layer.%d.attention.self.query.lora_%c.default.weight",
    };
    struct session s;
    struct adapter_info info;
    arena = arena_new("test");
    const char *folder = arena_strdup(arena, temp_dir());
    write_foreign(folder, patterns[_i], 4, true);
    write_config(folder,
                 "{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 6, \"use_rslora\": true, \"bias\": \"none\", "
                 "\"rank_pattern\": {}, \"target_modules\": [\"query\"]}");
    ck_ok(adapter_inspect(folder, arena, &info));
    ck_assert(info.foreign);
    ck_assert_ptr_nonnull(strstr(info.options, "rank=4\nalpha=6\nrslora=yes\n"));
    ck_ok(open_tiny(info.method, info.options, 1, &s));
    ck_assert_uint_eq(param_count(&s.reg, P_ADAPTER, true), 2 * 2 * 16 * 4);
    const struct param *pooler = param_find(&s.reg, "bert.pooler.dense.weight");
    ck_assert(pooler && !param_trained(pooler)); /* frozen, and yet replaced by the file's */
    ck_ok(adapter_load(&s, folder, ADAPTER_EXACT));
    for (int i = 0; i < s.reg.count; i++) {
        const struct param *p = s.reg.list[i];
        if (p->cls != P_ADAPTER && p->cls != P_HEAD && p != pooler) continue;
        for (size_t k = 0; k < param_size(p); k++) ck_assert_double_eq((double)p->data[k], (double)k / 64);
    }
    for (int i = 0; i < s.run.sites; i++)
        if (s.run.site[i]->weight == pooler) ck_assert_ptr_eq(s.run.site[i]->w.dense, pooler->data);
    session_close(&s);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    struct session s;
    const char *folder, *path;
    ck_ok(open_tiny("lora", "rank=4\nsites=query\n", 1, &s));
    folder = arena_strdup(arena, temp_dir());
    path = write_foreign(folder, "encoder.layer.%d.attention.self.query.lora_%c", 4, false);
    ck_fails(adapter_load(&s, path, ADAPTER_EXACT), ST_INPUT, "the values of classifier.weight are missing");
    ck_ok(adapter_load(&s, path, ADAPTER_START));
    path = write_foreign(folder, "encoder.layer.%d.attention.self.query.lora_%c", 3, true);
    ck_fails(adapter_load(&s, path, ADAPTER_EXACT), ST_INPUT, "does not have the 4 x 16 values");
    path = write_foreign(folder, "encoder.layer.%d.attention.self.value.lora_%c", 4, true);
    ck_fails(adapter_load(&s, path, ADAPTER_EXACT), ST_INPUT, "belongs to nothing");
    ck_fails(adapter_load(&s, "/no/such/file", ADAPTER_EXACT), ST_INPUT, "/no/such/file");
    ck_fails(adapter_load(&s, temp_dir(), ADAPTER_EXACT), ST_INPUT, "adapter_model.safetensors");
    session_close(&s);
}
END_TEST

START_TEST(other_forms_are_refused)
{
    static const struct {
        const char *json, *part;
    } forms[] = {
        {"{\"r\": 4, \"use_dora\": true}", "use_dora"},
        {"{\"r\": 4, \"peft_type\": \"IA3\"}", "IA3"},
        {"{\"r\": 4, \"bias\": \"all\"}", "bias = all"},
        {"{\"r\": 4, \"rank_pattern\": {\"query\": 8}}", "rank_pattern"},
        {"{\"r\": 4, \"alpha_pattern\": {\"query\": 8}}", "alpha_pattern"},
        {"{\"r\": \"four\"}", "r"},
        {"[1]", "object"},
        {"{", "adapter_config.json"},
    };
    struct adapter_info info;
    arena = arena_new("test");
    const char *folder = arena_strdup(arena, temp_dir());
    write_foreign(folder, "encoder.layer.%d.attention.self.query.lora_%c", 4, false);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        write_config(folder, forms[i].json);
        status st = adapter_inspect(folder, arena, &info);
        ck_assert_msg(st == ST_UNSUPPORTED || st == ST_INPUT, "%s: %s", forms[i].json, status_name(st));
        ck_assert_msg(strstr(status_message(), forms[i].part) != NULL, "%s: %s", forms[i].json, status_message());
    }
}
END_TEST

START_TEST(broken_files_are_refused)
{
    static const struct {
        const char *bytes;
        size_t n;
    } files[] = {{"", 0}, {"\x10\0\0", 3}, {"\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10}, {"\x02\0\0\0\0\0\0\0{]", 10}};
    struct adapter_info info;
    arena = arena_new("test");
    const char *path = new_path("x.safetensors");
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        ck_ok(file_write_atomic(path, files[i].bytes, files[i].n));
        ck_fails(adapter_inspect(path, arena, &info), ST_INPUT, "x.safetensors");
    }
}
END_TEST

/* The library's own logits of base + adapter on the evaluation batch of the case. */
START_TEST(peft_golden)
{
    NEED_SHARED("golden/methods/lora_peft/case.json");
    char folder[4096];
    struct adapter_info info;
    struct session_spec spec = {.model = {.head = HEAD_CLASSIFY, .num_labels = 2}};
    struct session s;
    struct checkpoint want;
    json_t *root;
    void *options;
    float *logits, expected[64], label[32];
    int32_t ids[4096];
    uint64_t offset[33] = {0};
    arena = arena_new("test");
    snprintf(folder, sizeof folder, "%s", shared_path("golden/methods/lora_peft/adapter"));
    ck_ok(adapter_inspect(folder, arena, &info));
    ck_ok(adapter_method(&info, folder, &spec.method, &options, arena));
    spec.method_options = options;
    spec.model.path = arena_strdup(arena, shared_path("golden/methods/base"));
    ck_ok(session_open(&spec, &s));
    ck_ok(adapter_load(&s, folder, ADAPTER_EXACT));
    ck_ok(jsonfile_read(shared_path("golden/methods/batches.json"), 1 << 24, &root));
    const json_t *all = json_object_get(json_object_get(root, "eval"), "ids");
    int n = (int)json_array_size(all), at = 0;
    ck_assert_int_le(n, 32);
    for (int i = 0; i < n; i++) {
        const json_t *one = json_array_get(all, (size_t)i);
        for (size_t k = 0; k < json_array_size(one); k++)
            ids[at++] = (int32_t)json_integer_value(json_array_get(one, k));
        offset[i + 1] = (uint64_t)at;
        label[i] = 0;
    }
    const struct tokens set = {.n = n, .offset = offset, .ids = ids, .label = label};
    ck_ok(session_predict(&s, &set, n, 0, arena, &logits, NULL));
    ck_ok(checkpoint_open(shared_path("golden/methods/lora_peft/eval.safetensors"), arena, &want));
    ck_ok(tensor_to_f32(checkpoint_find(&want, "logits"), expected, (size_t)n * 2));
    for (int i = 0; i < 2 * n; i++) ck_assert_float_eq_tol(logits[i], expected[i], 1e-5f);
    checkpoint_close(&want);
    json_decref(root);
    session_close(&s);
}
END_TEST

/* A published adapter (loralib's names, no alpha told), as .bin and as safetensors, into a network of its shape. */
START_TEST(a_published_adapter)
{
    NEED_SHARED("models/roberta-base-lora-mnli/roberta_base_lora_mnli.bin");
    static const char *const files[] = {"models/roberta-base-lora-mnli/roberta_base_lora_mnli.bin",
                                        "models/roberta-base-lora-mnli/roberta_base_lora_mnli.derived.safetensors"};
    static const char config[] =
        "{\"model_type\": \"roberta\", \"vocab_size\": 8, \"hidden_size\": 768, \"num_hidden_layers\": 12,"
        " \"num_attention_heads\": 12, \"intermediate_size\": 8, \"max_position_embeddings\": 16, \"type_vocab_size\": "
        "1}";
    struct session s[2];
    arena = arena_new("test");
    notice_quiet(1);
    const char *folder = arena_strdup(arena, temp_dir());
    ck_ok(file_write_atomic(path_join(arena, folder, "config.json"), config, strlen(config)));
    for (int i = 0; i < 2; i++) {
        struct adapter_info info;
        struct session_spec spec = {.model = {.path = folder, .head = HEAD_CLASSIFY, .num_labels = 3, .random = 1},
                                    .seed = (uint64_t)i};
        void *options;
        const char *path = arena_strdup(arena, shared_path(files[i]));
        ck_ok(adapter_inspect(path, arena, &info));
        ck_assert_ptr_nonnull(strstr(info.options, "rank=8\n"));
        ck_assert_ptr_null(strstr(info.options, "alpha"));
        ck_ok(adapter_method(&info, path, &spec.method, &options, arena));
        spec.method_options = options;
        ck_ok(session_open(&spec, &s[i]));
        ck_assert_uint_eq(param_count(&s[i].reg, P_ADAPTER, true), 12 * 2 * 2 * 8 * 768);
        ck_ok(adapter_load(&s[i], path, ADAPTER_EXACT));
    }
    ck_same(&s[0], &s[1]);
    for (int i = 0; i < 2; i++) session_close(&s[i]);
}
END_TEST

PG_TESTS(TEST(there_and_back), TEST(stores_and_presets), LOOP_TEST(peft_folders_in_both_prefix_forms, 0, 3),
         TEST(what_does_not_fit_is_refused), TEST(other_forms_are_refused), TEST(broken_files_are_refused),
         TEST(peft_golden), TEST(a_published_adapter))
