#include "bench/bops_record.h"

#include <stddef.h>
#include <string.h>

/* ---- comparing ---- */

static struct bops over(struct bops a, struct bops b)
{
    return (struct bops){a.encoder / b.encoder, a.attention / b.attention};
}

struct bops_ratios bops_compare(const struct model *m, const struct bops_form *form, double length, double table_rows)
{
    const int rank = BOPS_PAPER_RANK;
    const struct bops_form lora = bops_lora(&rank), own = bops_unquantised(form);
    struct bops count = bops_count(m, form, length, table_rows, NULL, NULL);
    return (struct bops_ratios){.absolute = count,
                                .plain = over(count, bops_count(m, &bops_plain, length, table_rows, NULL, NULL)),
                                .lora = over(count, bops_count(m, &lora, length, table_rows, NULL, NULL)),
                                .unquantised = over(count, bops_count(m, &own, length, table_rows, NULL, NULL))};
}

/* ---- shapes ---- */

status shape_open(const char *name, const struct model_config *shape, struct arena *arena, struct registry *reg,
                  struct model **out)
{
    static const struct rng rng = {0};
    const struct model_spec spec = {.path = name,
                                    .head = HEAD_CLASSIFY,
                                    .num_labels = 2,
                                    .rng = &rng,
                                    .shape = shape,
                                    .cls_dropout = -1,
                                    .hidden_dropout = -1,
                                    .attn_dropout = -1,
                                    .train_pooler = -1};
    TRY(registry_init(reg, arena));
    return model_open(&spec, arena, reg, out);
}

enum { KIND_INT, KIND_BOOL };
#define FIELD(name, field, kind) \
    { \
        name, offsetof(struct model_config, field), kind \
    }
static const struct {
    const char *name;
    size_t at;
    int kind;
} shape_field[] = {
    FIELD("hidden", hidden, KIND_INT),
    FIELD("layers", layers, KIND_INT),
    FIELD("heads", heads, KIND_INT),
    FIELD("kv_heads", kv_heads, KIND_INT),
    FIELD("head_dim", head_dim, KIND_INT),
    FIELD("ffn", ffn, KIND_INT),
    FIELD("vocabulary", vocab, KIND_INT),
    FIELD("max_positions", max_positions, KIND_INT),
    FIELD("type_vocabulary", type_vocab, KIND_INT),
    FIELD("position_buckets", position_buckets, KIND_INT),
    FIELD("max_relative", max_relative, KIND_INT),
    FIELD("relative", relative, KIND_BOOL),
    FIELD("share_att_key", share_att_key, KIND_BOOL),
    FIELD("c2p", c2p, KIND_BOOL),
    FIELD("p2c", p2c, KIND_BOOL),
};
#undef FIELD
enum { SHAPE_FIELDS = sizeof shape_field / sizeof shape_field[0] };

status shape_record(const struct model_config *c, struct record *r)
{
    char path[RECORD_PATH];
    TRY(record_string(r, "run/family", family_name(c->family)));
    for (int i = 0; i < SHAPE_FIELDS; i++) {
        const char *at = (const char *)c + shape_field[i].at;
        int64_t value;
        if (shape_field[i].kind == KIND_BOOL)
            value = *(const bool *)at;
        else
            value = *(const int *)at;
        TRY(record_path(path, "shape/{}", shape_field[i].name, NULL));
        TRY(record_int(r, path, value));
    }
    return ST_OK;
}

static bool family_by_name(const char *name, enum family *out)
{
    for (int f = FAMILY_DEBERTA_V2; f <= FAMILY_LLAMA; f++)
        if (strcmp(family_name((enum family)f), name) == 0) {
            *out = (enum family)f;
            return true;
        }
    return false;
}

status shape_of_record(const struct record *r, struct model_config *c, bool *found)
{
    char path[RECORD_PATH];
    *c = deberta_base_shape; /* what does not change a product */
    *found = family_by_name(record_get_string(r, "run/family", ""), &c->family);
    for (int i = 0; i < SHAPE_FIELDS && *found; i++) {
        char *at = (char *)c + shape_field[i].at;
        TRY(record_path(path, "shape/{}", shape_field[i].name, NULL));
        double value = record_get_real(r, path, -1);
        FAIL_IF(value < 0 || value > 1e9, ST_INPUT, "the record's %s is missing or no size", path);
        if (shape_field[i].kind == KIND_BOOL)
            *(bool *)at = value != 0;
        else
            *(int *)at = (int)value;
    }
    return ST_OK;
}

bool shape_is_encoder(const struct model_config *c)
{
    return c->family == FAMILY_DEBERTA_V2 || c->family == FAMILY_BERT || c->family == FAMILY_ROBERTA;
}

/* ---- recording ---- */

enum { SETTINGS = 3, SCOPES = 2, RATIOS = 4 };
static const char *const setting_name[SETTINGS] = {"paper", "max_length", "mean_length"};
static const char *const scope_name[SCOPES] = {"encoder", "attention"};
static const char *const ratio_name[RATIOS] = {"absolute", "relative", "of_lora16", "of_unquantised"};

static void put_ratios(const struct bops_ratios *b, double out[RATIOS][SCOPES])
{
    const struct bops all[RATIOS] = {b->absolute, b->plain, b->lora, b->unquantised};
    for (int i = 0; i < RATIOS; i++) {
        out[i][0] = all[i].encoder;
        out[i][1] = all[i].attention;
    }
}

static status record_own(const struct session *s, const char *variant, int index, const double *length,
                         const double *rows, struct record *r)
{
    const struct session_variant v = {s, index};
    const struct bops_form form = bops_of_session(&v);
    const size_t dims[2] = {SETTINGS, SCOPES};
    double all[SETTINGS][RATIOS][SCOPES], one[SETTINGS][SCOPES];
    char path[RECORD_PATH], pattern[64];
    for (int i = 0; i < SETTINGS; i++) {
        struct bops_ratios b = bops_compare(s->model, &form, length[i], rows[i]);
        put_ratios(&b, all[i]);
    }
    for (int k = 0; k < RATIOS; k++) {
        for (int i = 0; i < SETTINGS; i++) memcpy(one[i], all[i][k], sizeof one[i]);
        snprintf(pattern, sizeof pattern, "bops/{}/%s", ratio_name[k]);
        TRY(record_path(path, pattern, variant, NULL));
        TRY(record_reals(r, path, &one[0][0], 2, dims));
    }
    return ST_OK;
}

/* The same ranks and bits on DeBERTaV3-base's shape, in the setting of the published numbers. */
static status record_base(const struct session *s, const char *variant, int index, const struct model *base,
                          struct arena *scratch, struct record *r)
{
    struct site_forms forms;
    double all[RATIOS][SCOPES];
    const size_t dims[2] = {RATIOS, SCOPES};
    char path[RECORD_PATH];
    TRY(session_forms(s, index, scratch, &forms));
    forms.onto = base->config.layers;
    const struct bops_form form = bops_carried(&forms);
    struct bops_ratios b = bops_compare(base, &form, BOPS_PAPER_LENGTH, model_table_rows(base));
    put_ratios(&b, all);
    TRY(record_path(path, "bops/{}/deberta_base", variant, NULL));
    return record_reals(r, path, &all[0][0], 2, dims);
}

static status record_bases(const struct session *s, const struct variant *v, int variants, struct record *r)
{
    struct registry reg;
    struct model *base;
    if (!shape_is_encoder(&s->model->config)) return ST_OK;
    struct arena *arena = arena_new("shape of DeBERTaV3-base");
    status st = arena ? shape_open("deberta-v3-base", &deberta_base_shape, arena, &reg, &base) : ST_MEMORY;
    if (st == ST_OK) {
        st = record_strings(r, "bops/ratios", ratio_name, RATIOS);
        for (int i = 0; i < variants && st == ST_OK; i++) st = record_base(s, v[i].name, i, base, arena, r);
        model_close(base);
    }
    arena_free(arena);
    return st;
}

status bops_record(const struct session *s, int max_len, double mean_len, struct record *r)
{
    double table = model_table_rows(s->model);
    const double length[SETTINGS] = {BOPS_PAPER_LENGTH, max_len, mean_len}, rows[SETTINGS] = {table, table, table};
    const size_t n = SETTINGS;
    struct variant v[SESSION_MAX_VARIANTS];
    int variants = session_variants(s, v);
    TRY(shape_record(&s->model->config, r));
    TRY(record_strings(r, "bops/settings", setting_name, SETTINGS));
    TRY(record_strings(r, "bops/scopes", scope_name, SCOPES));
    TRY(record_reals(r, "bops/lengths", length, 1, &n));
    TRY(record_reals(r, "bops/table_rows", rows, 1, &n));
    for (int i = 0; i < variants; i++) TRY(record_own(s, v[i].name, i, length, rows, r));
    return record_bases(s, v, variants, r);
}
