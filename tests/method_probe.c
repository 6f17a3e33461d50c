#include "tests/pgtest.h"

#include "tests/method_probe.h"

#include "core/file.h"

enum { VOCABULARY = 40, LONGEST = 20 };

/* ---- models and data ---- */

static const char *const configs[PROBE_MODELS] = {
    "{\"model_type\": \"deberta-v2\", \"vocab_size\": 40, \"hidden_size\": 16, \"num_hidden_layers\": 2,"
    " \"num_attention_heads\": 2, \"intermediate_size\": 24, \"max_position_embeddings\": 32, \"type_vocab_size\": 0,"
    " \"relative_attention\": true, \"share_att_key\": true, \"pos_att_type\": \"p2c|c2p\","
    " \"norm_rel_ebd\": \"layer_norm\", \"position_biased_input\": false, \"position_buckets\": 8,"
    " \"max_relative_positions\": -1, \"layer_norm_eps\": 1e-7, \"hidden_act\": \"gelu\","
    " \"pooler_hidden_act\": \"gelu\", \"pooler_hidden_size\": 16, \"pooler_dropout\": 0, \"pad_token_id\": 0,"
    " \"hidden_dropout_prob\": 0, \"attention_probs_dropout_prob\": 0, \"initializer_range\": 0.3}",
    "{\"model_type\": \"bert\", \"vocab_size\": 40, \"hidden_size\": 16, \"num_hidden_layers\": 2,"
    " \"num_attention_heads\": 2, \"intermediate_size\": 24, \"max_position_embeddings\": 32, \"type_vocab_size\": 2,"
    " \"layer_norm_eps\": 1e-12, \"hidden_act\": \"gelu\", \"pad_token_id\": 0, \"hidden_dropout_prob\": 0,"
    " \"attention_probs_dropout_prob\": 0, \"initializer_range\": 0.3}",
    "{\"model_type\": \"qwen2\", \"vocab_size\": 40, \"hidden_size\": 16, \"num_hidden_layers\": 2,"
    " \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"intermediate_size\": 24,"
    " \"max_position_embeddings\": 32, \"rope_theta\": 100, \"initializer_range\": 0.3}",
};

const char *probe_model_name(enum probe_model m)
{
    static const char *const names[PROBE_MODELS] = {"deberta", "bert", "decoder"};
    return names[m];
}

static const char *model_folder(enum probe_model m)
{
    static char folder[PROBE_MODELS][4096];
    if (!*folder[m]) {
        char path[4200];
        snprintf(folder[m], sizeof folder[m], "%s", temp_dir());
        snprintf(path, sizeof path, "%s/config.json", folder[m]);
        ck_ok(file_write_atomic(path, configs[m], strlen(configs[m])));
    }
    return folder[m];
}

const struct tokens *probe_data(void)
{
    static struct tokens set;
    static uint64_t offset[PROBE_EXAMPLES + 1];
    static int32_t ids[PROBE_EXAMPLES * LONGEST];
    static uint8_t types[PROBE_EXAMPLES * LONGEST];
    static float label[PROBE_EXAMPLES];
    const struct rng rng = {.seed = 5};
    if (set.n) return &set;
    for (uint64_t i = 0; i < PROBE_EXAMPLES; i++) {
        uint64_t n = 3 + (uint64_t)rng_below(&rng, RNG_DATA, i, 0, 0, 0, LONGEST - 3);
        for (uint64_t k = 0; k < n; k++) {
            ids[offset[i] + k] = k == 0 ? 1 : 3 + rng_below(&rng, RNG_DATA, i, 0, 1, k, VOCABULARY - 3);
            types[offset[i] + k] = k > n / 2;
        }
        label[i] = (float)rng_below(&rng, RNG_DATA, i, 0, 2, 0, PROBE_LABELS);
        offset[i + 1] = offset[i] + n;
    }
    set = (struct tokens){
        .n = PROBE_EXAMPLES, .offset = offset, .ids = ids, .types = types, .label = label, .longest = LONGEST};
    return &set;
}

void *probe_options(const struct method *m)
{
    static struct arena *arena;
    if (!arena) arena = arena_new("options of probes");
    void *options;
    ck_ok(option_new(m->options, m->option_size, arena, &options));
    return options;
}

status probe_open(const struct probe *p, double dropout, struct session *s)
{
    const struct session_spec spec = {.model = {.path = model_folder(p->model),
                                                .head = HEAD_CLASSIFY,
                                                .num_labels = PROBE_LABELS,
                                                .random = 1,
                                                .cls_dropout = dropout,
                                                .hidden_dropout = dropout,
                                                .attn_dropout = dropout,
                                                .train_pooler = -1},
                                      .method = p->method,
                                      .method_options = p->options,
                                      .store = p->store,
                                      .arith = p->arith,
                                      .arith_options = p->arith_options,
                                      .seed = 11,
                                      .total_steps = 2 * PROBE_STEPS};
    return session_open(&spec, s);
}

status probe_batch(int first, int n, struct arena *arena, struct batch *b)
{
    int index[PROBE_EXAMPLES];
    for (int i = 0; i < n; i++) index[i] = first + i;
    return batch_make(probe_data(), index, n, first, PROBE_EXAMPLES, 0, arena, b);
}

/* The whole batch, however it is cut. */
static status observe(struct session *s)
{
    struct batch b;
    struct arena_mark mark = arena_mark(s->scratch);
    TRY(probe_batch(0, PROBE_EXAMPLES, s->scratch, &b));
    status st = session_observe(s, &b);
    arena_reset(s->scratch, mark);
    return st;
}

status probe_gradients(struct session *s, uint64_t step, int micro_batches, double *loss)
{
    int n = PROBE_EXAMPLES / micro_batches;
    *loss = 0;
    if (step == 0) TRY(observe(s));
    for (int micro = 0; micro < micro_batches; micro++) {
        struct batch b;
        struct arena_mark mark = arena_mark(s->scratch);
        TRY(probe_batch(micro * n, n, s->scratch, &b));
        TRY(session_micro(s, &b, step, micro, loss));
        arena_reset(s->scratch, mark);
    }
    return ST_OK;
}

status probe_step(struct session *s, uint64_t step, int micro_batches, double *loss)
{
    const struct adamw adamw = {ADAMW_TORCH, 0.9, 0.999, 1e-8, 0.01, 0.02};
    double penalty, norm;
    TRY(probe_gradients(s, step, micro_batches, loss));
    return session_update(s, &adamw, 0.02, 1, step, &penalty, &norm);
}

status probe_train(struct session *s, uint64_t from, uint64_t to)
{
    double loss;
    for (uint64_t step = from; step < to; step++) TRY(probe_step(s, step, 1, &loss));
    return ST_OK;
}

status probe_forward(struct session *s, bool training, bool keep, real *out)
{
    struct batch batch;
    struct mat logits;
    struct pass pass = {.batch = &batch,
                        .rng = &s->rng,
                        .arith = s->arith,
                        .arith_options = s->arith_options,
                        .train = training,
                        .keep = keep,
                        .tape = s->tape,
                        .scratch = s->scratch};
    struct arena_mark tape = arena_mark(s->tape), scratch = arena_mark(s->scratch);
    TRY(probe_batch(0, PROBE_EXAMPLES, s->tape, &batch));
    TRY(method_prepare(&s->run, &pass));
    TRY(model_forward(s->model, &pass, &logits, NULL));
    memcpy(out, logits.a, sizeof *out * PROBE_EXAMPLES * PROBE_LABELS);
    arena_reset(s->tape, tape);
    arena_reset(s->scratch, scratch);
    return ST_OK;
}

status probe_loss(struct session *s, bool backward, double *loss)
{
    struct batch batch;
    struct mat logits, dlogits;
    real d[PROBE_EXAMPLES * PROBE_LABELS];
    struct pass pass = {.batch = &batch,
                        .rng = &s->rng,
                        .arith = s->arith,
                        .arith_options = s->arith_options,
                        .train = true,
                        .keep = backward,
                        .mode = PASS_CHECK,
                        .tape = s->tape,
                        .scratch = s->scratch};
    struct arena_mark tape = arena_mark(s->tape), scratch = arena_mark(s->scratch);
    TRY(probe_batch(0, PROBE_EXAMPLES, s->tape, &batch));
    TRY(method_prepare(&s->run, &pass));
    TRY(model_forward(s->model, &pass, &logits, NULL));
    dlogits = mat_of(d, PROBE_EXAMPLES, PROBE_LABELS);
    TRY(model_loss(s->model, &pass, &logits, backward ? &dlogits : NULL, loss));
    if (backward) TRY(model_backward(s->model, &pass, &dlogits));
    arena_reset(s->tape, tape);
    arena_reset(s->scratch, scratch);
    return ST_OK;
}
