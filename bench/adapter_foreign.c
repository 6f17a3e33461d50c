/* What an adapter file says about itself: our metadata, peft's adapter_config.json, or only tensor names. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "bench/adapter.h"
#include "bench/adapter_names.h"
#include "core/jsonfile.h"
#include "core/text.h"

enum { CONFIG_MAX = 1 << 20, LENGTH_BYTES = 8 };

/* ---- names ---- */

status adapter_weight_file(const char *path, struct arena *arena, const char **file)
{
    static const char *const names[] = {"adapter_model.safetensors", "adapter_model.bin"};
    int is_dir, is_there;
    *file = path;
    FAIL_IF(!file_exists(path), ST_INPUT, "%s: there is no such adapter", path);
    TRY(file_ask_dir(path, &is_dir));
    if (!is_dir) return ST_OK;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!(*file = path_join(arena, path, names[i]))) return ST_MEMORY;
        TRY(file_ask(*file, &is_there));
        if (is_there) return ST_OK;
    }
    return fail(ST_INPUT, "%s: a peft folder holds adapter_model.safetensors or adapter_model.bin, this one neither",
                path);
}

static void cut(char *s, const char *part)
{
    size_t n = strlen(part);
    for (char *at; (at = strstr(s, part)) != NULL;) memmove(at, at + n, strlen(at + n) + 1);
}

const char *adapter_bare_name(const char *name)
{
    static char bare[1024];
    snprintf(bare, sizeof bare, "%s", name);
    if (strncmp(bare, "base_model.model.", 17) == 0) memmove(bare, bare + 17, strlen(bare + 17) + 1);
    cut(bare, ".modules_to_save");
    cut(bare, ".default");
    return bare;
}

bool adapter_ignores(const char *name)
{
    return strstr(name, ".original_module.") || strstr(name, "position_ids");
}

/* ---- metadata of a safetensors file ---- */

static status copy_text(const json_t *meta, const char *key, struct arena *arena, const char **out)
{
    const char *s = json_string_value(json_object_get(meta, key));
    if (s && !(*out = arena_strdup(arena, s))) return ST_MEMORY;
    return ST_OK;
}

static status copy_number(const char *path, const json_t *meta, const char *key, long long hi, long long *out)
{
    const char *s = json_string_value(json_object_get(meta, key));
    if (!s) return ST_OK;
    FAIL_IF(!text_to_longlong(s, out) || *out < 0 || *out > hi, ST_INPUT,
            "%s: metadata %s = '%s' is no number from 0 to %lld", path, key, s, hi);
    return ST_OK;
}

static status take_metadata(const char *path, const json_t *root, struct arena *arena, struct adapter_info *info)
{
    const json_t *meta = json_object_get(root, "__metadata__");
    long long labels = 0, max_len = 0;
    TRY(copy_text(meta, META_METHOD, arena, &info->method));
    TRY(copy_text(meta, META_OPTIONS, arena, &info->options));
    TRY(copy_text(meta, META_STORE, arena, &info->store));
    TRY(copy_text(meta, META_STORE_OPTIONS, arena, &info->store_options));
    TRY(copy_text(meta, META_PRECISION, arena, &info->precision));
    TRY(copy_text(meta, META_PRECISION_OPTIONS, arena, &info->precision_options));
    TRY(copy_text(meta, META_TASK, arena, &info->task));
    TRY(copy_text(meta, META_MODEL, arena, &info->model_hash));
    TRY(copy_number(path, meta, META_LABELS, 1 << 20, &labels));
    TRY(copy_number(path, meta, META_MAX_LEN, BATCH_MAX_LENGTH, &max_len));
    TRY(copy_number(path, meta, META_SEED, LLONG_MAX, &info->seed));
    info->labels = (int)labels;
    info->max_len = (int)max_len;
    return ST_OK;
}

/* The header is checked in full when the tensors are read; here only its own length is. */
static status read_metadata(const char *path, struct arena *arena, struct adapter_info *info)
{
    struct file_map map;
    json_t *root;
    uint64_t length = 0;
    TRY(file_map(path, &map));
    for (int i = 0; i < LENGTH_BYTES && map.size >= LENGTH_BYTES; i++) length |= (uint64_t)map.data[i] << (8 * i);
    status st = ST_OK;
    if (map.size < LENGTH_BYTES || length > map.size - LENGTH_BYTES)
        st = fail(ST_INPUT, "%s: this is no safetensors file: its header passes its end", path);
    if (st == ST_OK) st = jsonfile_parse(path, (const char *)map.data + LENGTH_BYTES, (size_t)length, &root);
    if (st == ST_OK) {
        st = take_metadata(path, root, arena, info);
        json_decref(root);
    }
    file_unmap(&map);
    return st;
}

/* ---- LoRA files of other programs ---- */

/* "<layer>.lora_A" or "<layer>.lora_A.weight": the length of <layer>; 0: another tensor. */
static size_t layer_of(const char *bare)
{
    const char *at = strstr(bare, ".lora_A");
    return at && (strcmp(at, ".lora_A") == 0 || strcmp(at, ".lora_A.weight") == 0) ? (size_t)(at - bare) : 0;
}

/* A pattern that fits the layer whether or not names here begin with the model's prefix. */
static status add_site(const char *bare, size_t n, struct text *sites)
{
    static const char *const prefix[] = {"bert.", "roberta.", "deberta.", "model."};
    for (size_t i = 0; i < sizeof prefix / sizeof prefix[0]; i++) {
        size_t p = strlen(prefix[i]);
        if (n > p && strncmp(bare, prefix[i], p) == 0) {
            bare += p;
            n -= p;
            break;
        }
    }
    return text_printf(sites, "%s*%.*s", sites->n ? "+" : "", (int)n, bare);
}

/* Rank and layers from the tensors themselves; *rank = 0 when there are none of this kind. */
static status lora_layers(const struct checkpoint *c, struct text *sites, int *rank)
{
    *rank = 0;
    for (int i = 0; i < c->count; i++) {
        const struct tensor *t = &c->tensor[i];
        const char *bare = adapter_bare_name(t->name);
        size_t n = layer_of(bare);
        if (n == 0) continue;
        FAIL_IF(t->dims != 2 || t->shape[0] < 1 || t->shape[0] > 1 << 20, ST_INPUT,
                "%s: tensor '%s' is no factor of a "
                "low-rank update",
                t->file, t->name);
        FAIL_IF(*rank && t->shape[0] != *rank, ST_UNSUPPORTED,
                "%s: rank %d and, in '%s', %lld: one rank for all layers is "
                "expected",
                t->file, *rank, t->name, (long long)t->shape[0]);
        *rank = (int)t->shape[0];
        TRY(add_site(bare, n, sites));
    }
    return ST_OK;
}

/* peft's switches that change what an adapter computes. */
static status refuse_other_forms(const char *path, const json_t *config)
{
    static const char *const flags[] = {"use_dora", "lora_bias", "use_qalora", "use_bdlora"};
    static const char *const patterns[] = {"rank_pattern", "alpha_pattern", "layer_replication", "target_parameters",
                                           "trainable_token_indices"};
    const char *type = "LORA", *bias = "none";
    TRY(jsonfile_string(path, config, "peft_type", &type));
    TRY(jsonfile_string(path, config, "bias", &bias));
    FAIL_IF(strcmp(type, "LORA") != 0, ST_UNSUPPORTED, "%s: peft_type %s cannot be read, only LORA", path, type);
    FAIL_IF(strcmp(bias, "none") != 0, ST_UNSUPPORTED, "%s: bias = %s cannot be read, only none", path, bias);
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        FAIL_IF(json_is_true(json_object_get(config, flags[i])), ST_UNSUPPORTED,
                "%s: an adapter with %s cannot be read", path, flags[i]);
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        const json_t *v = json_object_get(config, patterns[i]);
        FAIL_IF(json_object_size(v) > 0 || json_array_size(v) > 0, ST_UNSUPPORTED,
                "%s: an adapter with a %s cannot be read", path, patterns[i]);
    }
    return ST_OK;
}

static status read_peft(const char *path, const json_t *config, struct text *options)
{
    int r = 8;
    double alpha = 8;
    bool rslora = false;
    char number[32];
    FAIL_IF(!json_is_object(config), ST_INPUT, "%s: expected a JSON object", path);
    TRY(refuse_other_forms(path, config));
    TRY(jsonfile_int(path, config, "r", 1, 1 << 20, &r));
    TRY(jsonfile_real(path, config, "lora_alpha", 0, 1e9, &alpha));
    TRY(jsonfile_bool(path, config, "use_rslora", &rslora));
    text_from_double(alpha, number, sizeof number);
    return text_printf(options, "rank=%d\nalpha=%s\nrslora=%s\n", r, number, rslora ? "yes" : "no");
}

static status peft_options(const char *folder, struct arena *arena, struct text *options)
{
    json_t *config;
    const char *path = path_join(arena, folder, "adapter_config.json");
    if (!path) return ST_MEMORY;
    TRY(jsonfile_read(path, CONFIG_MAX, &config));
    status st = read_peft(path, config, options);
    json_decref(config);
    return st;
}

static status describe_lora(const char *path, const struct checkpoint *c, struct arena *arena, struct text *sites,
                            struct text *options, struct adapter_info *info)
{
    int rank, is_dir;
    TRY(lora_layers(c, sites, &rank));
    if (rank == 0) return ST_OK;
    TRY(file_ask_dir(path, &is_dir));
    if (is_dir)
        TRY(peft_options(path, arena, options));
    else
        TRY(text_printf(options, "rank=%d\n", rank));
    TRY(text_printf(options, "sites=%s\n", sites->s));
    info->method = "lora";
    if (!(info->options = arena_strdup(arena, options->s))) return ST_MEMORY;
    return ST_OK;
}

static status inspect_foreign(const char *path, const char *file, struct arena *arena, struct adapter_info *info)
{
    struct checkpoint c;
    struct text sites = {0}, options = {0};
    info->foreign = true;
    TRY(checkpoint_open(file, arena, &c));
    status st = describe_lora(path, &c, arena, &sites, &options, info);
    text_free(&sites);
    text_free(&options);
    checkpoint_close(&c);
    return st;
}

status adapter_inspect(const char *path, struct arena *arena, struct adapter_info *info)
{
    const char *file;
    *info = (struct adapter_info){0};
    TRY(adapter_weight_file(path, arena, &file));
    size_t n = strlen(file), suffix = strlen(".safetensors");
    if (n > suffix && strcmp(file + n - suffix, ".safetensors") == 0) TRY(read_metadata(file, arena, info));
    return info->method ? ST_OK : inspect_foreign(path, file, arena, info);
}
