/* config.json: a table of keys per family group fills struct model_config; see config.h.
 *
 * Hugging Face's classes leave out keys that have the class's default, so each family starts from those defaults. */
#include "models/config.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include "core/file.h"
#include "core/jsonfile.h"

static const size_t config_max = 16u << 20;

enum { MAX_HIDDEN = 1 << 20, MAX_LAYERS = 4096, MAX_VOCAB = 1 << 27, MAX_POSITIONS = 1 << 27, MAX_LABELS = 1 << 20 };

static const char *const family_names[] = {"deberta-v2", "bert", "roberta", "phi", "qwen2", "llama"};
enum { FAMILIES = sizeof family_names / sizeof family_names[0] };

const char *family_name(enum family f)
{
    return family_names[f];
}

/* What a class of Hugging Face takes when a key is absent. */
static const struct model_config family_defaults[] = {
    [FAMILY_DEBERTA_V2] = {.vocab = 128100,
                           .hidden = 1536,
                           .layers = 24,
                           .heads = 24,
                           .ffn = 6144,
                           .max_positions = 512,
                           .type_vocab = 0,
                           .pad_id = 0,
                           .act = ACT_GELU,
                           .norm_eps = 1e-7,
                           .hidden_dropout = 0.1,
                           .attn_dropout = 0.1,
                           .init_range = 0.02,
                           .position_biased_input = true,
                           .max_relative = -1,
                           .pooler_act = ACT_GELU},
    [FAMILY_BERT] = {.vocab = 30522,
                     .hidden = 768,
                     .layers = 12,
                     .heads = 12,
                     .ffn = 3072,
                     .max_positions = 512,
                     .type_vocab = 2,
                     .pad_id = 0,
                     .act = ACT_GELU,
                     .norm_eps = 1e-12,
                     .hidden_dropout = 0.1,
                     .attn_dropout = 0.1,
                     .init_range = 0.02,
                     .position_biased_input = true,
                     .pooler_act = ACT_TANH},
    [FAMILY_ROBERTA] = {.vocab = 50265,
                        .hidden = 768,
                        .layers = 12,
                        .heads = 12,
                        .ffn = 3072,
                        .max_positions = 512,
                        .type_vocab = 2,
                        .pad_id = 1,
                        .act = ACT_GELU,
                        .norm_eps = 1e-12,
                        .hidden_dropout = 0.1,
                        .attn_dropout = 0.1,
                        .init_range = 0.02,
                        .position_biased_input = true,
                        .pooler_act = ACT_TANH},
    [FAMILY_PHI] = {.vocab = 51200,
                    .hidden = 2048,
                    .layers = 24,
                    .heads = 32,
                    .ffn = 8192,
                    .max_positions = 2048,
                    .pad_id = -1,
                    .act = ACT_GELU_NEW,
                    .norm_eps = 1e-5,
                    .init_range = 0.02,
                    .rope_theta = 10000,
                    .rotary_part = 0.5},
    [FAMILY_QWEN2] = {.vocab = 151936,
                      .hidden = 4096,
                      .layers = 32,
                      .heads = 32,
                      .ffn = 22016,
                      .max_positions = 32768,
                      .pad_id = -1,
                      .act = ACT_SILU,
                      .norm_eps = 1e-6,
                      .init_range = 0.02,
                      .kv_heads = 32,
                      .rope_theta = 10000,
                      .rotary_part = 1},
    [FAMILY_LLAMA] = {.vocab = 32000,
                      .hidden = 4096,
                      .layers = 32,
                      .heads = 32,
                      .ffn = 11008,
                      .max_positions = 2048,
                      .pad_id = -1,
                      .act = ACT_SILU,
                      .norm_eps = 1e-6,
                      .init_range = 0.02,
                      .rope_theta = 10000,
                      .rotary_part = 1},
};

bool family_is_decoder(enum family f)
{
    return f == FAMILY_PHI || f == FAMILY_QWEN2 || f == FAMILY_LLAMA;
}

static status find_family(const char *path, const json_t *o, enum family *f)
{
    const char *type = NULL;
    TRY(jsonfile_string(path, o, "model_type", &type));
    for (int i = 0; type && i < FAMILIES; i++)
        if (strcmp(type, family_names[i]) == 0) {
            *f = (enum family)i;
            return ST_OK;
        }
    return fail(type ? ST_UNSUPPORTED : ST_INPUT,
                "%s: key 'model_type': %s%s%s, expected deberta-v2, bert, roberta, phi, qwen2 or llama", path,
                type ? "'" : "", type ? type : "missing", type ? "'" : "");
}

static status read_activation(const char *path, const json_t *o, const char *key, enum activation *act)
{
    const char *name = NULL;
    TRY(jsonfile_string(path, o, key, &name));
    int a = name ? activation_by_name(name) : (int)*act;
    FAIL_IF(a < 0, ST_UNSUPPORTED, "%s: key '%s': unknown activation '%s'", path, key, name);
    *act = (enum activation)a;
    return ST_OK;
}

/* A key whose value must be one that this program computes. */
static status require_int(const char *path, const json_t *o, const char *key, int wanted, int otherwise)
{
    int v = otherwise;
    TRY(jsonfile_int(path, o, key, INT_MIN, INT_MAX, &v));
    FAIL_IF(v != wanted, ST_UNSUPPORTED, "%s: key '%s': %d is not supported, expected %d", path, key, v, wanted);
    return ST_OK;
}

static status require_string(const char *path, const json_t *o, const char *key, const char *wanted)
{
    const char *v = wanted;
    TRY(jsonfile_string(path, o, key, &v));
    FAIL_IF(strcmp(v, wanted) != 0, ST_UNSUPPORTED, "%s: key '%s': '%s' is not supported, expected '%s'", path, key, v,
            wanted);
    return ST_OK;
}

static status require_false(const char *path, const json_t *o, const char *key)
{
    bool v = false;
    TRY(jsonfile_bool(path, o, key, &v));
    FAIL_IF(v, ST_UNSUPPORTED, "%s: key '%s': true is not supported", path, key);
    return ST_OK;
}

static status read_sizes(const char *path, const json_t *o, struct model_config *c)
{
    const struct {
        const char *key;
        int lo, hi, *v;
    } keys[] = {
        {"vocab_size", 1, MAX_VOCAB, &c->vocab},
        {"hidden_size", 1, MAX_HIDDEN, &c->hidden},
        {"num_hidden_layers", 1, MAX_LAYERS, &c->layers},
        {"num_attention_heads", 1, MAX_HIDDEN, &c->heads},
        {"intermediate_size", 1, MAX_HIDDEN, &c->ffn},
        {"max_position_embeddings", 1, MAX_POSITIONS, &c->max_positions},
        {"type_vocab_size", 0, MAX_VOCAB, &c->type_vocab},
        {"pad_token_id", -1, MAX_VOCAB, &c->pad_id},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        TRY(jsonfile_int(path, o, keys[i].key, keys[i].lo, keys[i].hi, keys[i].v));
    FAIL_IF(c->pad_id >= c->vocab, ST_INPUT, "%s: key 'pad_token_id': %d, expected less than vocab_size %d", path,
            c->pad_id, c->vocab);
    TRY(jsonfile_real(path, o, "initializer_range", 0, 1e6, &c->init_range));
    return read_activation(path, o, "hidden_act", &c->act);
}

/* num_labels, or the length of id2label; 0 when the file has neither (Hugging Face then writes neither for two). */
static status read_labels(const char *path, const json_t *o, struct model_config *c)
{
    const json_t *names = json_object_get(o, "id2label");
    FAIL_IF(names && !json_is_null(names) && !json_is_object(names), ST_INPUT, "%s: key 'id2label': expected an object",
            path);
    if (json_is_object(names)) {
        FAIL_IF(json_object_size(names) > MAX_LABELS, ST_INPUT, "%s: key 'id2label': more than %d labels", path,
                MAX_LABELS);
        c->num_labels = (int)json_object_size(names);
    }
    return jsonfile_int(path, o, "num_labels", 1, MAX_LABELS, &c->num_labels);
}

static status one_position_type(const char *path, const char *s, size_t n, struct model_config *c)
{
    while (n > 0 && *s == ' ') s++, n--;
    while (n > 0 && s[n - 1] == ' ') n--;
    if (n == 0) return ST_OK;
    int c2p = n == 3 && strncasecmp(s, "c2p", 3) == 0, p2c = n == 3 && strncasecmp(s, "p2c", 3) == 0;
    FAIL_IF(!c2p && !p2c, ST_UNSUPPORTED, "%s: key 'pos_att_type': '%.*s' is not supported, expected c2p or p2c", path,
            (int)(n < 64 ? n : 64), s);
    c->c2p |= c2p;
    c->p2c |= p2c;
    return ST_OK;
}

/* ["p2c", "c2p"] or "p2c|c2p". */
static status read_position_types(const char *path, const json_t *o, struct model_config *c)
{
    const json_t *v = json_object_get(o, "pos_att_type"), *e;
    size_t i;
    if (!v || json_is_null(v)) return ST_OK;
    if (json_is_string(v)) {
        for (const char *s = json_string_value(v); s; s = strchr(s, '|')) {
            s += *s == '|';
            TRY(one_position_type(path, s, strcspn(s, "|"), c));
        }
        return ST_OK;
    }
    FAIL_IF(!json_is_array(v), ST_INPUT, "%s: key 'pos_att_type': expected a list or a string like \"p2c|c2p\"", path);
    json_array_foreach((json_t *)v, i, e)
    {
        FAIL_IF(!json_is_string(e), ST_INPUT, "%s: key 'pos_att_type': expected a list of strings", path);
        TRY(one_position_type(path, json_string_value(e), json_string_length(e), c));
    }
    return ST_OK;
}

static status read_deberta(const char *path, const json_t *o, struct model_config *c)
{
    const char *norm = "none";
    TRY(jsonfile_bool(path, o, "relative_attention", &c->relative));
    TRY(jsonfile_bool(path, o, "share_att_key", &c->share_att_key));
    TRY(jsonfile_bool(path, o, "position_biased_input", &c->position_biased_input));
    TRY(jsonfile_int(path, o, "position_buckets", -1, MAX_POSITIONS, &c->position_buckets));
    TRY(jsonfile_int(path, o, "max_relative_positions", -1, MAX_POSITIONS, &c->max_relative));
    TRY(jsonfile_string(path, o, "norm_rel_ebd", &norm));
    TRY(read_position_types(path, o, c));
    TRY(jsonfile_real(path, o, "pooler_dropout", 0, 1, &c->pooler_dropout));
    TRY(read_activation(path, o, "pooler_hidden_act", &c->pooler_act));
    TRY(require_int(path, o, "pooler_hidden_size", c->hidden, c->hidden));
    TRY(require_int(path, o, "embedding_size", c->hidden, c->hidden));
    TRY(require_int(path, o, "attention_head_size", c->hidden / c->heads, c->hidden / c->heads));
    TRY(require_int(path, o, "conv_kernel_size", 0, 0));
    c->norm_rel = strstr(norm, "layer_norm") != NULL;
    FAIL_IF(!c->norm_rel && strcmp(norm, "none") != 0, ST_UNSUPPORTED,
            "%s: key 'norm_rel_ebd': '%s' is not supported, expected 'layer_norm' or 'none'", path, norm);
    if (c->position_buckets < 1) c->position_buckets = 0;
    if (c->max_relative < 1) c->max_relative = c->max_positions;
    if (!c->relative) c->c2p = c->p2c = false;
    return ST_OK;
}

static status read_encoder(const char *path, const json_t *o, struct model_config *c)
{
    TRY(jsonfile_real(path, o, "layer_norm_eps", 0, 1, &c->norm_eps));
    TRY(jsonfile_real(path, o, "hidden_dropout_prob", 0, 1, &c->hidden_dropout));
    TRY(jsonfile_real(path, o, "attention_probs_dropout_prob", 0, 1, &c->attn_dropout));
    c->cls_dropout = c->hidden_dropout;
    c->kv_heads = c->heads;
    c->head_dim = c->hidden / c->heads;
    FAIL_IF(c->hidden % c->heads != 0, ST_INPUT, "%s: key 'num_attention_heads': %d does not divide hidden_size %d",
            path, c->heads, c->hidden);
    if (c->family == FAMILY_DEBERTA_V2) {
        TRY(jsonfile_real(path, o, "cls_dropout", 0, 1, &c->cls_dropout));
        return read_deberta(path, o, c);
    }
    TRY(jsonfile_real(path, o, "classifier_dropout", 0, 1, &c->cls_dropout));
    if (c->family == FAMILY_ROBERTA) c->pooler_dropout = c->cls_dropout;
    TRY(require_string(path, o, "position_embedding_type", "absolute"));
    TRY(require_false(path, o, "is_decoder"));
    return require_false(path, o, "add_cross_attention");
}

/* The two forms of the key "rope_scaling", and the scaling's part of "rope_parameters". */
static status read_scaling(const char *path, const json_t *o, struct model_config *c)
{
    const char *type = "default";
    TRY(jsonfile_string(path, o, "type", &type));
    TRY(jsonfile_string(path, o, "rope_type", &type));
    if (strcmp(type, "default") == 0) return ST_OK;
    bool llama3 = strcmp(type, "llama3") == 0;
    FAIL_IF(!llama3 && strcmp(type, "linear") != 0, ST_UNSUPPORTED,
            "%s: key 'rope_type': '%s' is not supported, expected 'default', 'linear' or 'llama3'", path, type);
    c->rope_scaling = llama3 ? ROPE_LLAMA3 : ROPE_LINEAR;
    TRY(jsonfile_real(path, o, "factor", 1e-6, 1e9, &c->rope_factor));
    TRY(jsonfile_real(path, o, "low_freq_factor", 1e-6, 1e9, &c->rope_low));
    TRY(jsonfile_real(path, o, "high_freq_factor", 1e-6, 1e9, &c->rope_high));
    TRY(jsonfile_real(path, o, "original_max_position_embeddings", 1, MAX_POSITIONS, &c->rope_original));
    FAIL_IF(c->rope_factor == 0, ST_INPUT, "%s: rotary scaling '%s' without its key 'factor'", path, type);
    FAIL_IF(llama3 && (c->rope_low == 0 || c->rope_high == 0 || c->rope_original == 0), ST_INPUT,
            "%s: rotary scaling 'llama3' needs the keys 'low_freq_factor', 'high_freq_factor' and "
            "'original_max_position_embeddings'",
            path);
    FAIL_IF(llama3 && c->rope_high <= c->rope_low, ST_INPUT,
            "%s: key 'high_freq_factor': %g, expected more than low_freq_factor %g", path, c->rope_high, c->rope_low);
    return ST_OK;
}

/* Rotary angles: flat keys of older files, or the nested rope_parameters of newer ones. */
static status read_rotary(const char *path, const json_t *o, struct model_config *c)
{
    const json_t *scaling = json_object_get(o, "rope_scaling"), *nested = json_object_get(o, "rope_parameters");
    if (scaling && !json_is_null(scaling)) {
        FAIL_IF(!json_is_object(scaling), ST_INPUT, "%s: key 'rope_scaling': expected an object", path);
        TRY(read_scaling(path, scaling, c));
    }
    if (nested && !json_is_null(nested)) {
        FAIL_IF(!json_is_object(nested), ST_INPUT, "%s: key 'rope_parameters': expected an object", path);
        TRY(read_scaling(path, nested, c));
        o = nested;
    }
    TRY(jsonfile_real(path, o, "rope_theta", 1e-6, 1e18, &c->rope_theta));
    TRY(jsonfile_real(path, o, "partial_rotary_factor", 0, 1, &c->rotary_part));
    int turned = (int)(c->rotary_part * c->head_dim);
    FAIL_IF(turned % 2 != 0, ST_INPUT,
            "%s: %d of the %d dimensions of a head would be rotated, expected an even number", path, turned,
            c->head_dim);
    return ST_OK;
}

static status read_biases(const char *path, const json_t *o, struct model_config *c)
{
    bool phi = c->family == FAMILY_PHI, attention = phi, ffn = phi;
    if (c->family == FAMILY_LLAMA) {
        TRY(jsonfile_bool(path, o, "attention_bias", &attention));
        TRY(jsonfile_bool(path, o, "mlp_bias", &ffn));
    }
    c->qkv_bias = attention || c->family == FAMILY_QWEN2;
    c->attn_out_bias = attention;
    c->ffn_bias = ffn;
    c->head_bias = phi;
    return ST_OK;
}

static status read_decoder(const char *path, const json_t *o, struct model_config *c)
{
    int phi = c->family == FAMILY_PHI;
    if (c->kv_heads == 0) c->kv_heads = c->heads;
    TRY(jsonfile_int(path, o, "num_key_value_heads", 1, MAX_HIDDEN, &c->kv_heads));
    FAIL_IF(c->heads % c->kv_heads != 0, ST_INPUT,
            "%s: key 'num_key_value_heads': %d does not divide num_attention_heads %d", path, c->kv_heads, c->heads);
    c->head_dim = c->hidden / c->heads;
    TRY(jsonfile_int(path, o, "head_dim", 1, MAX_HIDDEN, &c->head_dim));
    FAIL_IF(!json_is_integer(json_object_get(o, "head_dim")) && c->hidden % c->heads != 0, ST_INPUT,
            "%s: key 'num_attention_heads': %d does not divide hidden_size %d", path, c->heads, c->hidden);
    FAIL_IF((double)c->head_dim * c->heads > MAX_HIDDEN, ST_INPUT, "%s: %d heads of %d dimensions are too many", path,
            c->heads, c->head_dim);
    TRY(jsonfile_real(path, o, phi ? "layer_norm_eps" : "rms_norm_eps", 0, 1, &c->norm_eps));
    TRY(jsonfile_real(path, o, "resid_pdrop", 0, 1, &c->hidden_dropout));
    TRY(jsonfile_real(path, o, "embd_pdrop", 0, 1, &c->embed_dropout));
    TRY(jsonfile_real(path, o, "attention_dropout", 0, 1, &c->attn_dropout));
    TRY(jsonfile_bool(path, o, "tie_word_embeddings", &c->tied));
    TRY(require_false(path, o, "qk_layernorm"));
    TRY(require_false(path, o, "use_sliding_window"));
    TRY(read_biases(path, o, c));
    return read_rotary(path, o, c);
}

/* Phi's first release: the same network under other keys. The new form of the object, which the caller ends with
 * json_decref. */
static status modern_phi(const char *path, const json_t *o, json_t **out)
{
    static const char *const keys[][2] = {{"n_embd", "hidden_size"},
                                          {"n_layer", "num_hidden_layers"},
                                          {"n_head", "num_attention_heads"},
                                          {"n_head_kv", "num_key_value_heads"},
                                          {"n_inner", "intermediate_size"},
                                          {"n_positions", "max_position_embeddings"},
                                          {"layer_norm_epsilon", "layer_norm_eps"},
                                          {"activation_function", "hidden_act"},
                                          {"attn_pdrop", "attention_dropout"}};
    int width = 2560, heads = 32, turned = 32;
    TRY(jsonfile_int(path, o, "n_embd", 1, MAX_HIDDEN, &width));
    TRY(jsonfile_int(path, o, "n_head", 1, MAX_HIDDEN, &heads));
    TRY(jsonfile_int(path, o, "rotary_dim", 0, MAX_HIDDEN, &turned));
    FAIL_IF(width % heads != 0 || turned > width / heads, ST_INPUT,
            "%s: n_embd %d, n_head %d and rotary_dim %d do not fit", path, width, heads, turned);
    FAIL_IF((*out = json_copy((json_t *)o)) == NULL, ST_MEMORY, "%s: out of memory for its keys", path);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (json_object_get(o, keys[i][0])) json_object_set(*out, keys[i][1], json_object_get(o, keys[i][0]));
    json_object_set_new(*out, "model_type", json_string("phi"));
    json_object_set_new(*out, "hidden_size", json_integer(width));
    json_object_set_new(*out, "num_attention_heads", json_integer(heads));
    if (!json_is_integer(json_object_get(*out, "intermediate_size")))
        json_object_set_new(*out, "intermediate_size", json_integer(4 * (json_int_t)width));
    /* The part is exact enough that the number of dimensions comes out again. */
    json_object_set_new(*out, "partial_rotary_factor", json_real((turned + 0.5) / (width / heads)));
    if (turned == width / heads) json_object_set_new(*out, "partial_rotary_factor", json_real(1));
    return ST_OK;
}

static status read_config(const char *path, const json_t *o, struct model_config *c);

static status read_early_phi(const char *path, const json_t *o, struct model_config *c)
{
    json_t *modern = NULL;
    TRY(modern_phi(path, o, &modern));
    status st = read_config(path, modern, c);
    json_decref(modern);
    c->early_phi = true;
    return st;
}

static status read_config(const char *path, const json_t *o, struct model_config *c)
{
    enum family f = FAMILY_BERT;
    const char *type = NULL;
    FAIL_IF(!json_is_object(o), ST_INPUT, "%s: expected a JSON object", path);
    TRY(jsonfile_string(path, o, "model_type", &type));
    if (type && strcmp(type, "phi-msft") == 0) return read_early_phi(path, o, c);
    TRY(find_family(path, o, &f));
    *c = family_defaults[f];
    c->family = f;
    TRY(read_sizes(path, o, c));
    TRY(read_labels(path, o, c));
    return family_is_decoder(f) ? read_decoder(path, o, c) : read_encoder(path, o, c);
}

status config_read(const char *dir, struct arena *a, struct model_config *c)
{
    json_t *root;
    const char *path = path_join(a, dir, "config.json");
    if (!path) return ST_MEMORY;
    TRY(jsonfile_read(path, config_max, &root));
    status s = read_config(path, root, c);
    json_decref(root);
    return s;
}

status config_parse(const char *name, const char *text, size_t size, struct model_config *c)
{
    json_t *root;
    TRY(jsonfile_parse(name, text, size, &root));
    status s = read_config(name, root, c);
    json_decref(root);
    return s;
}
