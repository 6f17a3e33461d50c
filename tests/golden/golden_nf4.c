/* Golden cases of NormalFloat: single matrices with edge cases, and all linear layers of a model as its store keeps
 * them. The rule is the same in all: NF4, blocks of 64, double quantisation in groups of 256. */
#include <float.h>
#include <math.h>
#include <string.h>
#include "core/nf4.h"
#include "models/store.h"
#include "tests/golden/golden.h"

enum { BLOCK = 64, ZERO_CODE = 7 };
/* case.json gives these in words. */
static const double VALUES_OF_ABSMAX = 1e-6, NESTED_OF_SCALE = 2e-7;

struct matrix { /* one weight: what is expected and what came out */
    struct check *c;
    const struct checkpoint *want;
    const char *name;                 /* tensors are name.packed, name.absmax, ... */
    const json_t *near, *near_nested; /* elements and blocks on a tie: either code is right. NULL: none */
    const struct nf *plain, *nested;
    double *absmax, *group, offset; /* expected */
};

static status column(const struct matrix *m, const char *what, size_t n, double **out)
{
    const char *name = arena_printf(m->c->arena, "%s.%s", m->name, what);
    if (!name) return ST_MEMORY;
    const struct tensor *t = checkpoint_find(m->want, name);
    FAIL_IF(!t, ST_INPUT, "%s: tensor '%s' is missing", m->want->path, name);
    NEW(*out, m->c->arena, n + 1);
    return tensor_to_f64(t, *out, n);
}

static bool listed(const json_t *list, size_t i)
{
    size_t k;
    const json_t *v;
    json_array_foreach(list, k, v) if (json_integer_value(v) == (json_int_t)i) return true;
    return false;
}

/* A block of subnormal numbers may be taken for zeros. */
static bool flushed(const struct matrix *m, size_t block)
{
    return m->absmax[block] < (double)FLT_MIN && nf_absmax(m->plain, block) == 0;
}

static status compare_codes(const struct matrix *m)
{
    const struct nf *q = m->plain;
    double *packed;
    int wrong = 0, scales = 0;
    TRY(column(m, "packed", nf_code_bytes(q), &packed));
    for (size_t i = 0; i < q->size; i++) {
        int byte = (int)packed[i / 2], code = i % 2 ? byte & 15 : byte >> 4;
        if (flushed(m, i / BLOCK)) code = ZERO_CODE;
        wrong += nf_code(q, i) != code && !listed(m->near, i);
    }
    if (q->size % 2) wrong += ((int)packed[q->size / 2] & 15) != (q->code[q->size / 2] & 15);
    for (size_t b = 0; b < q->blocks; b++) scales += (double)nf_absmax(q, b) != m->absmax[b] && !flushed(m, b);
    check_measure(m->c, wrong, 0, "codes of %s", m->name);
    check_measure(m->c, scales, 0, "absmax of %s", m->name);
    check_measure(m->c, memcmp(q->code, m->nested->code, nf_code_bytes(q)) != 0, 0,
                  "codes of %s with double quantisation", m->name);
    return ST_OK;
}

static status compare_scales(const struct matrix *m)
{
    const struct nf *q = m->nested;
    double *code, offset_rel = 1e-6;
    int wrong = 0;
    TRY(column(m, "nested_codes", q->blocks, &code));
    for (size_t b = 0; b < q->blocks; b++) wrong += q->nested_code[b] != (int)code[b] && !listed(m->near_nested, b);
    check_measure(m->c, wrong, 0, "codes of the scales of %s", m->name);
    check_measure(m->c, fabs((double)q->offset / m->offset - 1), offset_rel, "offset of %s", m->name);
    for (size_t g = 0; g < q->groups; g++)
        check_measure(m->c, fabs((double)q->nested_absmax[g] - m->group[g]),
                      offset_rel * (m->group[g] + fabs(m->offset)), "group scale of %s", m->name);
    return ST_OK;
}

/* Values of one form; tolerance: absolute, or <= 0 for that of the form. */
static status compare_values(const struct matrix *m, const char *what, const struct nf *q, double tolerance)
{
    double *want;
    real *got;
    NEW(got, m->c->arena, q->size);
    TRY(column(m, what, q->size, &want));
    nf_values(q, 0, (int)q->size, got);
    for (size_t b = 0; b < q->blocks; b++) {
        double worst = 0, allowed = tolerance > 0 ? tolerance : VALUES_OF_ABSMAX * m->absmax[b];
        if (flushed(m, b) || (q->format.nested && listed(m->near_nested, b))) continue;
        if (tolerance <= 0 && q->format.nested) allowed = NESTED_OF_SCALE * (m->group[b / NF_GROUP] + m->offset);
        for (size_t i = b * BLOCK; i < (b + 1) * BLOCK && i < q->size; i++)
            if (!listed(m->near, i)) worst = fmax(worst, fabs((double)got[i] - want[i]));
        check_measure(m->c, worst, allowed, "%s of %s", what, m->name);
    }
    return ST_OK;
}

static status compare_absmax(const struct matrix *m)
{
    double *want;
    TRY(column(m, "absmax_dq", m->nested->blocks, &want));
    for (size_t b = 0; b < m->nested->blocks; b++)
        if (!listed(m->near_nested, b))
            check_measure(m->c, fabs((double)nf_absmax(m->nested, b) - want[b]),
                          NESTED_OF_SCALE * (m->group[b / NF_GROUP] + m->offset), "absmax_dq of %s", m->name);
    return ST_OK;
}

static status read_scales(struct matrix *m)
{
    double *offset;
    TRY(column(m, "absmax", m->plain->blocks, &m->absmax));
    TRY(column(m, "nested_absmax", m->nested->groups, &m->group));
    TRY(column(m, "offset", 1, &offset));
    m->offset = *offset;
    return ST_OK;
}

/* ---- matrices ---- */

static status compare_matrix(struct check *c, const struct checkpoint *ck, const char *name, const json_t *info)
{
    const char *weight = arena_printf(c->arena, "%s.weight", name);
    const struct tensor *t = weight ? checkpoint_find(ck, weight) : NULL;
    struct nf plain, nested;
    struct wsrc w;
    FAIL_IF(!t, ST_INPUT, "%s: the weight of '%s' is missing", ck->path, name);
    TRY(tensor_source(t, c->arena, &w));
    TRY(nf_quantize(&w, &(struct nf_format){4, BLOCK, false}, c->arena, &plain));
    TRY(nf_quantize(&w, &(struct nf_format){4, BLOCK, true}, c->arena, &nested));
    struct matrix m = {.c = c,
                       .want = ck,
                       .name = name,
                       .near = json_object_get(info, "near_tie_elements"),
                       .near_nested = json_object_get(info, "near_tie_nested"),
                       .plain = &plain,
                       .nested = &nested};
    TRY(read_scales(&m));
    TRY(compare_codes(&m));
    TRY(compare_scales(&m));
    TRY(compare_absmax(&m));
    TRY(compare_values(&m, "dequant", &plain, 0));
    return compare_values(&m, "dequant_dq", &nested, 0);
}

static status compare_table(struct check *c, const struct checkpoint *want, const char *name, const double *got,
                            size_t n, double tolerance)
{
    double *ref, worst = 0;
    const struct tensor *t = checkpoint_find(want, name);
    FAIL_IF(!t, ST_INPUT, "%s: table '%s' is missing", want->path, name);
    NEW(ref, c->arena, n);
    TRY(tensor_to_f64(t, ref, n));
    for (size_t i = 0; i < n; i++) worst = fmax(worst, fabs(got[i] - ref[i]));
    check_measure(c, worst, tolerance, "table %s", name);
    return ST_OK;
}

static status compare_tables(struct check *c)
{
    const struct checkpoint *want;
    float level[NF_LEVELS], middle[NF_LEVELS];
    double exact[256], tolerance;
    TRY(check_tensors(c, "tables.safetensors", &want));
    TRY(check_tolerance(c, "tables_abs", &tolerance));
    for (int bits = 2; bits <= 8; bits++) {
        const char *name = arena_printf(c->arena, "nf%d", bits);
        if (!name) return ST_MEMORY;
        nf_construct(bits, exact);
        if (checkpoint_find(want, name)) TRY(compare_table(c, want, name, exact, (size_t)1 << bits, tolerance));
    }
    nf_levels(4, level);
    nf_thresholds(level, NF_LEVELS, middle);
    for (int i = 0; i < NF_LEVELS; i++) exact[i] = (double)level[i];
    TRY(compare_table(c, want, "nf4_published", exact, NF_LEVELS, 0));
    for (int i = 0; i < NF_LEVELS - 1; i++) exact[i] = (double)middle[i];
    TRY(compare_table(c, want, "nf4_midpoints", exact, NF_LEVELS - 1, 0));
    for (int i = 0; i < NF_MAP_SIZE; i++) exact[i] = (double)nf_map(i);
    return compare_table(c, want, "dynamic_map", exact, NF_MAP_SIZE, tolerance);
}

status check_nf4_matrices(struct check *c, void *ctx)
{
    const struct checkpoint *ck;
    const char *name;
    json_t *info, *matrices = json_object_get(c->info, "matrices");
    (void)ctx;
    FAIL_IF(json_object_size(matrices) == 0, ST_INPUT, "case.json names no matrices");
    TRY(check_tensors(c, "nf4.safetensors", &ck));
    json_object_foreach(matrices, name, info) TRY(compare_matrix(c, ck, name, info));
    return compare_tables(c);
}

/* ---- a model's layers ---- */

static status compare_layer(struct check *c, const struct checkpoint *want, const struct checkpoint *base,
                            const char *name, double tolerance)
{
    const char *weight = arena_printf(c->arena, "%s.weight", name);
    const struct tensor *t = weight ? checkpoint_find(base, weight) : NULL;
    const struct store *store = store_find("nf4");
    struct nf plain;
    struct wsrc w, kept;
    FAIL_IF(!t, ST_INPUT, "%s: tensor '%s.weight' is missing", base->path, name);
    TRY(tensor_source(t, c->arena, &w));
    void *options;
    TRY(option_new(store->options, store->option_size, c->arena, &options));
    TRY(store->build(options, &w, c->arena, &kept));
    TRY(nf_quantize(&w, &(struct nf_format){4, BLOCK, false}, c->arena, &plain));
    struct matrix m = {.c = c, .want = want, .name = name, .plain = &plain, .nested = kept.ctx};
    TRY(read_scales(&m));
    TRY(compare_codes(&m));
    TRY(compare_scales(&m));
    return compare_values(&m, "dequant", m.nested, tolerance);
}

status check_nf4_base(struct check *c, void *ctx)
{
    static const char end[] = ".packed";
    const struct checkpoint *want, *base;
    double tolerance;
    (void)ctx;
    TRY(check_tensors(c, "store.safetensors", &want));
    TRY(check_tensors(c, "../base/model.safetensors", &base));
    TRY(check_tolerance(c, "dequant_abs", &tolerance));
    for (int i = 0; i < want->count; i++) {
        const char *name = want->tensor[i].name;
        size_t n = strlen(name), tail = sizeof end - 1;
        if (n <= tail || strcmp(name + n - tail, end) != 0) continue;
        const char *layer = arena_printf(c->arena, "%.*s", (int)(n - tail), name);
        if (!layer) return ST_MEMORY;
        TRY(compare_layer(c, want, base, layer, tolerance));
    }
    return ST_OK;
}
