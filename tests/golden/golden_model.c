/* Golden cases of encoders: a tiny one with all its gradients, and pretrained ones whose weights lie in a model folder.
 */
#include "tests/golden/golden_bed.h"

#include <string.h>
#include "bench/paths.h"
#include "core/file.h"
#include "core/sha256.h"
#include "models/relative.h"

/* ---- tiny encoders ----------------------------------------------------------------------------------------------- */

static bool zero_in_theory(const struct check *c, const char *name)
{
    const json_t *list = json_object_get(json_object_get(c->info, "float32_minus_float64"), "analytically_zero_grads");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), name) == 0) return true;
    return false;
}

static status compare_grads(struct check *c, const struct bed *b, const struct checkpoint *want)
{
    double relative, absolute;
    int expected = 0;
    TRY(check_tolerance(c, "grad_rel_to_largest_entry_of_the_tensor", &relative));
    TRY(check_tolerance(c, "analytically_zero_grads_abs", &absolute));
    for (int i = 0; i < b->reg.count; i++) {
        const struct param *p = b->reg.list[i];
        const char *name = arena_printf(c->arena, "grad.%s", p->name);
        if (!name) return ST_MEMORY;
        bool zero = zero_in_theory(c, name);
        TRY(check_values(c, want, name, p->grad, param_size(p), zero ? DISTANCE_ABS : DISTANCE_LARGEST,
                         zero ? absolute : relative));
    }
    for (int i = 0; i < want->count; i++) expected += strncmp(want->tensor[i].name, "grad.", 5) == 0;
    FAIL_IF(expected != b->reg.count, ST_INPUT, "%d reference gradients for %d tensors of the model", expected,
            b->reg.count);
    return ST_OK;
}

/* hidden.k: outputs of the embedding and of every layer for the first example, as far as the case has them. */
static status compare_hidden(struct check *c, const struct bed *b, const struct checkpoint *want,
                             const struct mat *hidden, double tolerance)
{
    for (int k = 0; k <= b->model->config.layers; k++) {
        const char *name = arena_printf(c->arena, "hidden.%d", k);
        if (!name) return ST_MEMORY;
        if (checkpoint_find(want, name))
            TRY(check_values(c, want, name, hidden[k].a, (size_t)b->batch.offset[1] * (size_t)hidden[k].cols,
                             DISTANCE_ABS, tolerance));
    }
    return ST_OK;
}

static status compare_index(struct check *c, const struct bed *b, const struct checkpoint *want)
{
    const struct tensor *t = checkpoint_find(want, "rel_index");
    if (!t) return ST_OK;
    struct relative_law law = {b->model->config.position_buckets, b->model->config.max_relative};
    int n = (int)tensor_size(t);
    real *got;
    NEW(got, c->arena, n);
    for (int i = 0; i < n; i++) got[i] = (real)relative_index(&law, i - n / 2);
    return check_values(c, want, "rel_index", got, (size_t)n, DISTANCE_ABS, 0);
}

static status open_examples(struct check *c, struct bed *b)
{
    json_t *root;
    struct tokens t;
    TRY(check_json(c, "batch.json", &root));
    TRY(golden_examples(root, "batch.json", c->arena, &t));
    return bed_batch(b, &t);
}

static status run_encoder(struct check *c, struct bed *b)
{
    const struct checkpoint *want;
    struct mat logits, *hidden;
    double loss, tolerance;
    TRY(check_tensors(c, "expected.safetensors", &want));
    TRY(open_examples(c, b));
    for (int i = 0; i < b->reg.count; i++) TRY(param_thaw(&b->reg, b->reg.list[i]));
    NEW(hidden, c->arena, b->model->config.layers + 1);
    TRY(bed_step(b, &logits, hidden, &loss));
    real loss_real = (real)loss;
    TRY(check_tolerance(c, "logits_abs", &tolerance));
    TRY(check_values(c, want, "logits", logits.a, (size_t)logits.rows * (size_t)logits.cols, DISTANCE_ABS, tolerance));
    TRY(check_tolerance(c, "loss_abs", &tolerance));
    TRY(check_values(c, want, "loss", &loss_real, 1, DISTANCE_ABS, tolerance));
    TRY(check_tolerance(c, "hidden_abs", &tolerance));
    TRY(compare_hidden(c, b, want, hidden, tolerance));
    TRY(compare_index(c, b, want));
    return compare_grads(c, b, want);
}

status check_encoder(struct check *c, void *ctx)
{
    struct bed b = {0};
    (void)ctx;
    status st = bed_open(&b, c->dir, HEAD_CLASSIFY);
    if (st == ST_OK) st = run_encoder(c, &b);
    bed_close(&b);
    return st;
}

/* ---- pretrained models ------------------------------------------------------------------------------------------ */

/* Looks in the folders of the model folders, and of `models` beside the reference data. */
status find_weights(struct check *c, const json_t *weights, const char **found)
{
    const char *folder[FOLDERS_MAX + 1], *file = json_string_value(json_object_get(weights, "file"));
    const char *sha = json_string_value(json_object_get(weights, "sha256"));
    int folders, count;
    char **names, hex[SHA256_HEX];
    *found = NULL;
    FAIL_IF(!file || !sha, ST_INPUT, "case.json: weights without file and sha256");
    TRY(model_folders(c->arena, folder, &folders));
    if (!(folder[folders++] = path_join(c->arena, c->root, "../models"))) return ST_MEMORY;
    for (int f = 0; f < folders; f++) {
        if (!file_is_dir(folder[f])) continue;
        TRY(file_list(folder[f], NULL, c->arena, &names, &count));
        for (int i = 0; i < count; i++) {
            const char *dir = path_join(c->arena, folder[f], names[i]), *path = path_join(c->arena, dir, file);
            if (!path) return ST_MEMORY;
            if (!file_exists(path) || sha256_file(path, hex) != ST_OK || strcmp(hex, sha) != 0) continue;
            *found = dir;
            return ST_OK;
        }
    }
    return check_skip(c, "no model folder holds %s with SHA-256 %s", file, sha);
}

static status compare_pooled(struct check *c, const struct bed *b, const struct checkpoint *want,
                             const struct mat *last, double tolerance)
{
    int n = b->batch.n, d = last->cols;
    real *first, *mean;
    NEW(first, c->arena, n * d);
    NEW(mean, c->arena, n * d);
    for (int i = 0; i < n; i++) {
        int from = b->batch.offset[i], to = b->batch.offset[i + 1];
        for (int k = 0; k < d; k++) {
            double sum = 0;
            for (int r = from; r < to; r++) sum += (double)mat_row(last, r)[k];
            first[i * d + k] = mat_row(last, from)[k];
            mean[i * d + k] = (real)(sum / (to - from));
        }
    }
    TRY(check_values(c, want, "cls", first, (size_t)n * (size_t)d, DISTANCE_ABS, tolerance));
    return check_values(c, want, "mean_pooled", mean, (size_t)n * (size_t)d, DISTANCE_ABS, tolerance);
}

static status run_pretrained(struct check *c, struct bed *b, const struct checkpoint *want)
{
    struct mat logits, *hidden;
    double tolerance;
    TRY(open_examples(c, b));
    TRY(check_tolerance(c, "abs", &tolerance));
    NEW(hidden, c->arena, b->model->config.layers + 1);
    TRY(bed_forward(b, &logits, hidden));
    TRY(compare_hidden(c, b, want, hidden, tolerance));
    return compare_pooled(c, b, want, &hidden[b->model->config.layers], tolerance);
}

status check_pretrained(struct check *c, void *ctx)
{
    const struct checkpoint *want;
    const char *path;
    struct bed b = {0};
    TRY(check_tensors(c, "expected.safetensors", &want));
    if (!checkpoint_find(want, "cls")) return check_story(c, ctx);
    TRY(find_weights(c, json_object_get(c->info, "weights"), &path));
    if (c->skip) return ST_OK;
    status st = bed_open(&b, path, HEAD_NONE);
    if (st == ST_OK) st = run_pretrained(c, &b, want);
    bed_close(&b);
    return st;
}
