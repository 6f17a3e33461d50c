/* Golden cases of language models: a tiny one with all its gradients, a pretrained one in the form of another program,
 * and the answers of a real one to questions. */
#include "tests/golden/golden_bed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/paths.h"
#include "core/file.h"
#include "models/language.h"

/* ---- batches ----------------------------------------------------------------------------------------------------- */

/* Every token but the last of an example predicts the next one. */
static status shift_labels(struct bed *b)
{
    const struct batch *t = &b->batch;
    int32_t *label;
    int targets = 0;
    NEW(label, b->arena, t->tokens);
    for (int s = 0; s < t->n; s++)
        for (int i = t->offset[s]; i < t->offset[s + 1]; i++) {
            label[i] = i + 1 < t->offset[s + 1] ? t->ids[i + 1] : -1;
            targets += label[i] >= 0;
        }
    b->batch.label = label;
    b->batch.step_examples = targets;
    return ST_OK;
}

static status open_examples(struct check *c, struct bed *b)
{
    json_t *root;
    struct tokens t;
    TRY(check_json(c, "batch.json", &root));
    TRY(golden_examples(root, "batch.json", c->arena, &t));
    return bed_batch(b, &t);
}

/* A tolerance, or that of the logits where a case has only that. */
static status tolerance_of(struct check *c, const char *key, double *v)
{
    return check_tolerance(c, key, v) == ST_OK ? ST_OK : check_tolerance(c, "logits_abs", v);
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static status compare_hidden(struct check *c, const struct bed *b, const struct checkpoint *want,
                             const struct mat *hidden)
{
    double tolerance;
    TRY(tolerance_of(c, "hidden_abs", &tolerance));
    for (int k = 0; k <= b->model->config.layers; k++) {
        const char *name = arena_printf(c->arena, "hidden.%d", k);
        if (!name) return ST_MEMORY;
        if (checkpoint_find(want, name))
            TRY(check_values(c, want, name, hidden[k].a, (size_t)b->batch.offset[1] * (size_t)hidden[k].cols,
                             DISTANCE_ABS, tolerance));
    }
    return ST_OK;
}

/* Logits of all tokens, and of the last ones as an evaluation asks for them: bits must be the same. */
static status compare_logits(struct check *c, struct bed *b, const struct checkpoint *want)
{
    struct mat logits, *hidden;
    int n = b->batch.n, vocab = b->model->config.vocab;
    double tolerance;
    real *last;
    int32_t *mark;
    b->batch.label = NULL;
    b->pass.keep = false;
    NEW(hidden, c->arena, b->model->config.layers + 1);
    TRY(bed_forward(b, &logits, hidden));
    TRY(tolerance_of(c, "logits_abs", &tolerance));
    TRY(check_values(c, want, "logits", logits.a, (size_t)logits.rows * (size_t)vocab, DISTANCE_ABS, tolerance));
    TRY(compare_hidden(c, b, want, hidden));
    NEW(last, c->arena, (size_t)n * (size_t)vocab);
    NEW(mark, c->arena, b->batch.tokens);
    for (int t = 0; t < b->batch.tokens; t++) mark[t] = -1;
    for (int s = 0; s < n; s++) {
        int at = b->batch.offset[s + 1] - 1;
        memcpy(last + (size_t)s * (size_t)vocab, mat_row(&logits, at), sizeof *last * (size_t)vocab);
        mark[at] = 0;
    }
    b->batch.label = mark;
    TRY(bed_forward(b, &logits, NULL));
    bool same = logits.rows == n && memcmp(last, logits.a, sizeof *last * (size_t)n * (size_t)vocab) == 0;
    check_measure(c, !same, 0, "bits of the last rows computed alone");
    return check_values(c, want, "last_logits", last, (size_t)n * (size_t)vocab, DISTANCE_ABS, tolerance);
}

static status compare_final(struct check *c, struct bed *b, const char *path, const struct checkpoint *want)
{
    struct bed none = {0};
    struct mat state;
    double tolerance;
    TRY(tolerance_of(c, "hidden_abs", &tolerance));
    status st = bed_open(&none, path, HEAD_NONE);
    none.batch = b->batch;
    if (st == ST_OK) st = bed_forward(&none, &state, NULL);
    if (st == ST_OK)
        st = check_values(c, want, "hidden.final", state.a, (size_t)b->batch.offset[1] * (size_t)state.cols,
                          DISTANCE_ABS, tolerance);
    bed_close(&none);
    return st;
}

/* The loss, first with whole logits, then a few rows of logits at a time; leaves the gradients of the latter. */
static status compare_loss(struct check *c, struct bed *b, const struct checkpoint *want)
{
    struct mat logits;
    double tolerance, loss, again;
    TRY(tolerance_of(c, "loss_abs", &tolerance));
    TRY(shift_labels(b));
    TRY(bed_step(b, &logits, NULL, &loss));
    real whole = (real)loss;
    TRY(check_values(c, want, "loss", &whole, 1, DISTANCE_ABS, tolerance));
    TRY(bed_forward(b, NULL, NULL));
    param_zero_grads(&b->reg);
    TRY(lm_loss(b->model, &b->pass, true, &again, NULL));
    real parts = (real)again;
    TRY(check_values(c, want, "loss", &parts, 1, DISTANCE_ABS, tolerance));
    return model_backward(b->model, &b->pass, NULL);
}

static status compare_grads(struct check *c, const struct bed *b, const struct checkpoint *want)
{
    double relative;
    int expected = 0;
    TRY(check_tolerance(c, "grad_rel_to_largest_entry_of_the_tensor", &relative));
    for (int i = 0; i < b->reg.count; i++) {
        const struct param *p = b->reg.list[i];
        const char *name = arena_printf(c->arena, "grad.%s", p->name);
        if (!name) return ST_MEMORY;
        TRY(check_values(c, want, name, p->grad, param_size(p), DISTANCE_LARGEST, relative));
    }
    for (int i = 0; i < want->count; i++) expected += strncmp(want->tensor[i].name, "grad.", 5) == 0;
    FAIL_IF(expected != b->reg.count, ST_INPUT, "%d reference gradients for %d tensors of the model", expected,
            b->reg.count);
    return ST_OK;
}

/* ---- tiny models ------------------------------------------------------------------------------------------------- */

static status run_language(struct check *c, struct bed *b)
{
    const struct checkpoint *want;
    TRY(check_tensors(c, "expected.safetensors", &want));
    TRY(open_examples(c, b));
    TRY(compare_final(c, b, c->dir, want));
    TRY(compare_logits(c, b, want));
    for (int i = 0; i < b->reg.count; i++) TRY(param_thaw(&b->reg, b->reg.list[i]));
    TRY(compare_loss(c, b, want));
    TRY(compare_grads(c, b, want));
    b->model->spec.recompute = true;
    TRY(compare_loss(c, b, want));
    return compare_grads(c, b, want);
}

status check_language(struct check *c, void *ctx)
{
    struct bed b = {0};
    (void)ctx;
    status st = bed_open(&b, c->dir, HEAD_LM);
    if (st == ST_OK) st = run_language(c, &b);
    bed_close(&b);
    return st;
}

/* ---- llama2.c's files -------------------------------------------------------------------------------------------- */

enum { STORY_TENSORS = 12 };

struct story {
    int dim, ffn, layers, heads, kv_heads, vocab, length;
    const float *at; /* the next tensor of the file */
    struct tensor_out *out;
    int count;
};

static status add(struct story *s, const char *name, int rows, int cols, const float *data)
{
    s->out[s->count] = (struct tensor_out){.name = name, .dtype = DT_F32, .dims = rows ? 2 : 1, .data = data};
    s->out[s->count].shape[0] = rows ? rows : cols;
    s->out[s->count++].shape[1] = rows ? cols : 0;
    return name ? ST_OK : ST_MEMORY;
}

/* Rows 2j and 2j+1 of a head, which the file rotates together, become rows j and j + half. */
static const float *half_split(const float *w, int rows, int cols, int head, struct arena *a)
{
    float *out = arena_alloc(a, sizeof *out * (size_t)rows * (size_t)cols);
    for (int r = 0; out && r < rows; r++) {
        int in_head = r % head, to = r - in_head + in_head / 2 + (in_head % 2 ? head / 2 : 0);
        memcpy(out + (size_t)to * (size_t)cols, w + (size_t)r * (size_t)cols, sizeof *out * (size_t)cols);
    }
    return out;
}

/* One kind of tensor of all layers. pattern holds one %d; rows 0: vectors; head > 0: rotated. */
static status add_layers(struct story *s, struct arena *a, const char *pattern, int rows, int cols, int head)
{
    for (int i = 0; i < s->layers; i++) {
        const float *w = head ? half_split(s->at, rows, cols, head, a) : s->at;
        char name[128];
        if (!w) return ST_MEMORY;
        snprintf(name, sizeof name, "model.layers.%d.%s.weight", i, pattern);
        TRY(add(s, arena_strdup(a, name), rows, cols, w));
        s->at += (size_t)(rows ? rows : 1) * (size_t)cols;
    }
    return ST_OK;
}

static status read_story(struct check *c, const char *bin, struct story *s)
{
    char *bytes;
    size_t size;
    int32_t head[7];
    TRY(file_read(bin, (size_t)1 << 28, c->arena, &bytes, &size));
    FAIL_IF(size < sizeof head, ST_INPUT, "%s: too short", bin);
    memcpy(head, bytes, sizeof head);
    *s = (struct story){head[0], head[1],      head[2], head[3],
                        head[4], abs(head[5]), head[6], .at = (float *)(void *)(bytes + sizeof head)};
    size_t d = (size_t)s->dim, kv = d / (size_t)s->heads * (size_t)s->kv_heads;
    size_t need =
        (size_t)s->vocab * d + (size_t)s->layers * (2 * d + 2 * d * d + 2 * d * kv + 3 * d * (size_t)s->ffn) + d;
    FAIL_IF(size < sizeof head + sizeof(float) * need, ST_INPUT, "%s: too short for its header", bin);
    NEW(s->out, c->arena, 2 + s->layers * STORY_TENSORS);
    int dh = s->dim / s->heads, narrow = dh * s->kv_heads;
    TRY(add(s, "model.embed_tokens.weight", s->vocab, s->dim, s->at));
    s->at += (size_t)s->vocab * d;
    TRY(add_layers(s, c->arena, "input_layernorm", 0, s->dim, 0));
    TRY(add_layers(s, c->arena, "self_attn.q_proj", s->dim, s->dim, dh));
    TRY(add_layers(s, c->arena, "self_attn.k_proj", narrow, s->dim, dh));
    TRY(add_layers(s, c->arena, "self_attn.v_proj", narrow, s->dim, 0));
    TRY(add_layers(s, c->arena, "self_attn.o_proj", s->dim, s->dim, 0));
    TRY(add_layers(s, c->arena, "post_attention_layernorm", 0, s->dim, 0));
    TRY(add_layers(s, c->arena, "mlp.gate_proj", s->ffn, s->dim, 0));
    TRY(add_layers(s, c->arena, "mlp.down_proj", s->dim, s->ffn, 0));
    TRY(add_layers(s, c->arena, "mlp.up_proj", s->ffn, s->dim, 0));
    return add(s, "model.norm.weight", 0, s->dim, s->at);
}

/* A model folder with the story model's values. */
static status story_folder(struct check *c, const char *bin, const char *dir)
{
    struct story s;
    double eps, theta;
    const json_t *w = json_object_get(c->info, "weights");
    const char *config = path_join(c->arena, dir, "config.json"),
               *weights = path_join(c->arena, dir, "model.safetensors");
    if (!config || !weights) return ST_MEMORY;
    TRY(check_number(w, "rms_norm_eps", "weights", &eps));
    TRY(check_number(w, "rope_theta", "weights", &theta));
    TRY(read_story(c, bin, &s));
    const char *text = arena_printf(
        c->arena,
        "{\"model_type\":\"llama\",\"hidden_size\":%d,\"intermediate_size\":%d,\"num_hidden_layers\":%d,"
        "\"num_attention_heads\":%d,\"num_key_value_heads\":%d,\"vocab_size\":%d,\"max_position_embeddings\":%d,"
        "\"rms_norm_eps\":%g,\"rope_theta\":%g,\"tie_word_embeddings\":true}",
        s.dim, s.ffn, s.layers, s.heads, s.kv_heads, s.vocab, s.length, eps, theta);
    if (!text) return ST_MEMORY;
    TRY(file_write_atomic(config, text, strlen(text)));
    return safetensors_write(weights, s.out, s.count, NULL);
}

static status compare_greedy(struct check *c, struct bed *b)
{
    const json_t *ids = json_object_get(json_object_get(c->info, "greedy"), "ids");
    int n = (int)json_array_size(ids), count = 0, same = 0;
    int32_t *want, *got;
    if (n < 2) return ST_OK;
    NEW(want, c->arena, n);
    NEW(got, c->arena, n);
    for (int i = 0; i < n; i++) want[i] = (int32_t)json_integer_value(json_array_get(ids, (size_t)i));
    struct lm_generate g = {.prompt = want, .n = 1, .most = n - 1};
    b->pass.keep = false;
    TRY(lm_generate(b->model, &b->pass, &g, got, &count));
    while (same < count && got[same] == want[same + 1]) same++;
    check_measure(c, n - 1 - same, 0, "greedy ids from place %d on", same + 1);
    return ST_OK;
}

static status run_story(struct check *c, struct bed *b, const char *dir)
{
    const struct checkpoint *want;
    TRY(check_tensors(c, "expected.safetensors", &want));
    TRY(open_examples(c, b));
    TRY(compare_final(c, b, dir, want));
    TRY(compare_logits(c, b, want));
    TRY(compare_loss(c, b, want));
    return compare_greedy(c, b);
}

static void remove_folder(struct arena *a, const char *dir)
{
    unlink(path_join(a, dir, "config.json"));
    unlink(path_join(a, dir, "model.safetensors"));
    rmdir(dir);
}

status check_story(struct check *c, void *ctx)
{
    const char *bin, *base = getenv("TMPDIR");
    struct bed b = {0};
    (void)ctx;
    TRY(find_weights(c, json_object_get(c->info, "weights"), &bin));
    if (c->skip) return ST_OK;
    bin = path_join(c->arena, bin, json_string_value(json_object_get(json_object_get(c->info, "weights"), "file")));
    char *dir = arena_printf(c->arena, "%s/golden-story-XXXXXX", base ? base : "/tmp");
    if (!bin || !dir) return ST_MEMORY;
    FAIL_IF(!mkdtemp(dir), ST_IO, "%s: cannot make a folder", dir);
    status st = story_folder(c, bin, dir);
    if (st == ST_OK) st = bed_open(&b, dir, HEAD_LM);
    if (st == ST_OK) st = run_story(c, &b, dir);
    bed_close(&b);
    remove_folder(c->arena, dir);
    return st;
}

/* ---- questions --------------------------------------------------------------------------------------------------- */

static status numbers(const json_t *list, const char *place, struct arena *a, int32_t **id, int *n)
{
    *n = (int)json_array_size(list);
    FAIL_IF(*n < 1, ST_INPUT, "%s: no numbers", place);
    NEW(*id, a, *n);
    for (int i = 0; i < *n; i++) (*id)[i] = (int32_t)json_integer_value(json_array_get(list, (size_t)i));
    return ST_OK;
}

static status ask(struct check *c, struct bed *b, size_t i, const json_t *q, double tolerance)
{
    int32_t *ids = NULL, *letter = NULL;
    int n, letters;
    uint64_t offset[2] = {0};
    struct mat logits, got;
    double log_sum, want;
    TRY(numbers(json_object_get(q, "ids"), "ids", c->arena, &ids, &n));
    TRY(numbers(json_object_get(q, "letter_ids"), "letter_ids", c->arena, &letter, &letters));
    offset[1] = (uint64_t)n;
    struct tokens t = {.n = 1, .offset = offset, .ids = ids, .longest = n};
    TRY(bed_batch(b, &t));
    int32_t *mark;
    NEW(mark, b->arena, n);
    for (int k = 0; k < n; k++) mark[k] = k == n - 1 ? 0 : -1;
    b->batch.label = mark;
    TRY(bed_forward(b, NULL, NULL));
    TRY(mat_new(b->tape, 1, letters, &got));
    TRY(mat_new(b->tape, 1, letters, &logits));
    TRY(lm_logits(b->model, &b->pass, letter, letters, &got, &log_sum));
    TRY(lm_logits(b->model, &b->pass, letter, letters, &logits, NULL));
    FAIL_IF(memcmp(got.a, logits.a, sizeof(real) * (size_t)letters) != 0, ST_INTERNAL,
            "chosen logits differ when only they are computed");
    for (int k = 0; k < letters; k++) {
        want = json_number_value(json_array_get(json_object_get(q, "letter_logits"), (size_t)k));
        check_measure(c, fabs((double)got.a[k] - want), tolerance, "logit %d of question %zu", k, i);
    }
    TRY(check_number(q, "logsumexp", "question", &want));
    check_measure(c, fabs(log_sum - want), tolerance, "log sum of question %zu", i);
    return ST_OK;
}

static status run_questions(struct check *c, struct bed *b)
{
    json_t *root, *q;
    double tolerance;
    size_t i;
    const char *text = json_string_value(json_object_get(c->info, "tolerance"));
    TRY(check_json(c, "mmlu_prompts.json", &root));
    FAIL_IF(!text || sscanf(text, "f32: %lf", &tolerance) != 1, ST_INPUT, "case.json: no tolerance for f32");
    json_array_foreach(root, i, q) TRY(ask(c, b, i, q, tolerance));
    return ST_OK;
}

/* The model is named by the first word of case.json's `model`. */
status check_questions(struct check *c, void *ctx)
{
    struct bed b = {0};
    char name[128] = "";
    const char *model = json_string_value(json_object_get(c->info, "model")), *path;
    (void)ctx;
    FAIL_IF(!model || sscanf(model, "%127s", name) != 1, ST_INPUT, "case.json: no model");
    if (model_find(name, ".", c->arena, &path) != ST_OK) return check_skip(c, "no model folder holds %s", name);
    status st = bed_open(&b, path, HEAD_LM);
    if (st == ST_OK) st = run_questions(c, &b);
    bed_close(&b);
    return st;
}
