/* Which check runs on which folder of reference data. A case's kind shows in its files and in the keys of its
 * case.json, not in its name, so that other cases of the same form are found too. */
#include <string.h>
#include "bench/optimizer.h"
#include "core/file.h"
#include "models/config.h"
#include "tests/golden/golden.h"

static bool has(struct suite *s, const char *dir, const char *file)
{
    const char *path = path_join(s->arena, dir, file);
    return path && file_exists(path);
}

/* ---- models ------------------------------------------------------------------------------------------------------ */

static status skip_model(struct check *c, void *ctx)
{
    (void)ctx;
    return check_skip(c, "no known kind of case");
}

/* The case's configuration is that of a decoder. */
static bool is_decoder(struct suite *s, const char *dir)
{
    struct model_config c;
    if (config_read(dir, s->arena, &c) != ST_OK) return false; /* its line will say so */
    return c.family == FAMILY_PHI || c.family == FAMILY_QWEN2 || c.family == FAMILY_LLAMA;
}

static check_fn *model_check(struct suite *s, const char *dir)
{
    if (has(s, dir, "config.json") && has(s, dir, "model.safetensors"))
        return is_decoder(s, dir) ? check_language : check_encoder;
    if (has(s, dir, "mmlu_prompts.json")) return check_questions;
    return has(s, dir, "expected.safetensors") ? check_pretrained : skip_model;
}

/* One line a file (or folder of shards) of formats/ or bad/. */
static status run_files(struct suite *s, const char *name, const char *dir, const char *folder, check_fn *fn)
{
    char **files;
    int count;
    const char *path = path_join(s->arena, dir, folder);
    if (!path) return ST_MEMORY;
    if (!file_is_dir(path)) return ST_OK;
    TRY(file_list(path, NULL, s->arena, &files, &count));
    for (int i = 0; i < count; i++) {
        if (strcmp(files[i], "README.md") == 0 || strcmp(files[i], "expected.safetensors") == 0) continue;
        char *file = path_join(s->arena, path, files[i]);
        const char *line = arena_printf(s->arena, "%s/%s/%s", name, folder, files[i]);
        if (!file || !line) return ST_MEMORY;
        suite_run(s, line, dir, fn, file);
    }
    return ST_OK;
}

static status run_model(struct suite *s, const char *name, const char *dir)
{
    suite_run(s, name, dir, model_check(s, dir), NULL);
    TRY(run_files(s, name, dir, "formats", check_container));
    return run_files(s, name, dir, "bad", check_broken);
}

/* ---- methods ----------------------------------------------------------------------------------------------------- */

static status skip_method(struct check *c, void *ctx)
{
    (void)ctx;
    return check_skip(c, "what it checks is not built yet");
}

static status run_method(struct suite *s, const char *name, const char *dir)
{
    static struct trajectory_form torch = {ADAMW_TORCH, &arith_f32}, hf44 = {ADAMW_HF44, &arith_f32},
                                  bf16 = {ADAMW_TORCH, &arith_bf16};
    json_t *info;
    const char *path = path_join(s->arena, dir, "case.json");
    if (!path) return ST_MEMORY;
    if (jsonfile_read(path, (size_t)1 << 28, &info) != ST_OK) info = NULL; /* its line will say so */
    bool rates = json_object_get(info, "rows") && json_object_get(info, "warmup_ratio");
    bool metrics = json_object_get(info, "classification") != NULL,
         trained = json_object_get(info, "trajectory") != NULL;
    bool counts = json_object_get(info, "bops_32bit") != NULL;
    bool bits = json_object_get(info, "hard_concrete") != NULL, maps = json_object_get(info, "maps") != NULL;
    bool integers = trained && json_object_get(json_object_get(info, "bits"), "gradients");
    bool lq = json_object_get(info, "ilp") && json_object_get(info, "results");
    json_decref(info);
    if (bits)
        suite_run(s, name, dir, check_bayesian_bits, NULL);
    else if (lq)
        suite_run(s, name, dir, check_lq, NULL);
    else if (counts)
        suite_run(s, name, dir, check_accounting, NULL);
    else if (rates)
        suite_run(s, name, dir, check_schedules, NULL);
    else if (metrics)
        suite_run(s, name, dir, check_metrics, NULL);
    else if (maps)
        suite_run(s, name, dir, check_fixed_point, NULL);
    else if (trained)
        suite_run(s, name, dir, check_trajectory, &torch);
    else if (has(s, dir, "adapter/adapter_config.json"))
        suite_run(s, name, dir, check_adapter, NULL);
    else if (has(s, dir, "nf4.safetensors"))
        suite_run(s, name, dir, check_nf4_matrices, NULL);
    else if (has(s, dir, "store.safetensors"))
        suite_run(s, name, dir, check_nf4_base, NULL);
    else
        suite_run(s, name, dir, skip_method, NULL);
    if (trained && !integers) { /* those have a precision of their own */
        const char *line = arena_printf(s->arena, "%s (bf16)", name);
        if (!line) return ST_MEMORY;
        suite_run(s, line, dir, check_trajectory, &bf16);
    }
    if (trained && has(s, dir, "trajectory_hf44.safetensors")) {
        const char *line = arena_printf(s->arena, "%s (hf44)", name);
        if (!line) return ST_MEMORY;
        suite_run(s, line, dir, check_trajectory, &hf44);
    }
    return ST_OK;
}

/* ---- folders ----------------------------------------------------------------------------------------------------- */

/* Calls fn for every folder below root/kind that has a case.json. */
static status each_case(struct suite *s, const char *kind, status (*fn)(struct suite *, const char *, const char *))
{
    char **names;
    int count;
    const char *folder = path_join(s->arena, s->root, kind);
    if (!folder) return ST_MEMORY;
    TRY(file_list(folder, NULL, s->arena, &names, &count));
    for (int i = 0; i < count; i++) {
        const char *dir = path_join(s->arena, folder, names[i]);
        const char *line = arena_printf(s->arena, "%s/%s", kind, names[i]);
        if (!dir || !line) return ST_MEMORY;
        if (file_is_dir(dir) && has(s, dir, "case.json")) TRY(fn(s, line, dir));
    }
    return ST_OK;
}

status golden_models(struct suite *s)
{
    return each_case(s, "models", run_model);
}

status golden_methods(struct suite *s)
{
    return each_case(s, "methods", run_method);
}

status golden_tokenizers(struct suite *s)
{
    char **names;
    int count;
    const char *dir = path_join(s->arena, s->root, "tokenizers");
    if (!dir) return ST_MEMORY;
    TRY(file_list(dir, ".ids", s->arena, &names, &count));
    for (int i = 0; i < count; i++) {
        const char *line = arena_printf(s->arena, "tokenizers/%s", names[i]);
        if (!line) return ST_MEMORY;
        suite_run(s, line, dir, check_tokenizer, names[i]);
    }
    return ST_OK;
}
