/* Golden case of an adapter folder that the peft library wrote: the method and its options are what adapter_config.json
 * says, and base + adapter gives the recorded logits. */
#include <string.h>
#include "bench/adapter.h"
#include "tests/golden/golden.h"

static status compare_logits(struct check *c, struct session *s, const char *adapter, const char *batches)
{
    const struct checkpoint *want;
    struct tokens t;
    json_t *root;
    float *logits;
    real *got;
    double tolerance;
    TRY(adapter_load(s, adapter, ADAPTER_EXACT));
    TRY(check_json(c, batches, &root));
    TRY(check_tensors(c, "eval.safetensors", &want));
    TRY(check_tolerance(c, "eval_abs", &tolerance));
    TRY(golden_examples(json_object_get(root, "eval"), batches, c->arena, &t));
    TRY(session_predict(s, &t, t.n, 0, c->arena, &logits, NULL));
    size_t n = (size_t)t.n * (size_t)s->model->num_labels;
    NEW(got, c->arena, n);
    for (size_t i = 0; i < n; i++) got[i] = (real)logits[i];
    return check_values(c, want, "logits", got, n, DISTANCE_ABS, tolerance);
}

status check_adapter(struct check *c, void *ctx)
{
    const char *adapter = check_path(c, "adapter"), *base = check_input(c, "model.safetensors");
    const char *batches = check_input(c, "batches.json"), *weights = base ? check_path(c, base) : NULL;
    struct adapter_info info;
    const struct method *method;
    void *options;
    struct session s;
    (void)ctx;
    FAIL_IF(!base || !batches, ST_INPUT, "case.json: inputs without model.safetensors and batches.json");
    if (!adapter || !weights) return ST_MEMORY;
    TRY(adapter_inspect(adapter, c->arena, &info));
    TRY(adapter_method(&info, adapter, &method, &options, c->arena));
    const char *folder = arena_printf(c->arena, "%.*s", (int)(strrchr(weights, '/') - weights), weights);
    if (!folder) return ST_MEMORY;
    struct session_spec spec = {.model = {.path = folder,
                                          .head = HEAD_CLASSIFY,
                                          .num_labels = info.labels,
                                          .cls_dropout = -1,
                                          .hidden_dropout = -1,
                                          .attn_dropout = -1,
                                          .train_pooler = -1},
                                .method = method,
                                .method_options = options,
                                .total_steps = 1};
    TRY(session_open(&spec, &s));
    status st = compare_logits(c, &s, adapter, batches);
    session_close(&s);
    return st;
}
