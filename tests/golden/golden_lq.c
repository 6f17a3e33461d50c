/* Golden cases of LQ-LoRA: decompositions of single matrices, plain and weighted, and integer programs. The reference
 * computes in double with an exact SVD, this program with floats in the quantiser: where its residual lies within the
 * rounding of floats of a threshold, either code is right. */
#include <float.h>
#include <math.h>
#include <string.h>
#include "core/allocate.h"
#include "core/gemm.h"
#include "core/lq_decompose.h"
#include "core/nf4.h"
#include "tests/golden/golden.h"

enum { ROUNDINGS = 32, ITERATIONS = 100 };

struct lq_case { /* one decomposition */
    struct check *c;
    const struct checkpoint *want;
    const char *name; /* "m0.cfg1.aware": tensors are <name>.first.Q, ...; W0 and, when weighted, F0 */
    struct lq_form form;
    int out, in;
    real *w;
};

static status find_tensor(const struct lq_case *l, const char *name, const struct tensor **t)
{
    FAIL_IF(!name, ST_MEMORY, "out of memory");
    *t = checkpoint_find(l->want, name);
    FAIL_IF(!*t, ST_INPUT, "%s: tensor '%s' is missing", l->want->path, name);
    return ST_OK;
}

static status numbers(const struct lq_case *l, const char *what, size_t n, double **out)
{
    const struct tensor *t;
    TRY(find_tensor(l, arena_printf(l->c->arena, "%s.%s", l->name, what), &t));
    NEW(*out, l->c->arena, n);
    return tensor_to_f64(t, *out, n);
}

static status matrix(struct lq_case *l, char letter, real **out)
{
    const struct tensor *t;
    double *exact;
    TRY(find_tensor(l, arena_printf(l->c->arena, "%c%.*s", letter, (int)strcspn(l->name + 1, "."), l->name + 1), &t));
    FAIL_IF(t->dims != 2, ST_INPUT, "%s: tensor '%s' is no matrix", l->want->path, t->name);
    l->out = (int)t->shape[0], l->in = (int)t->shape[1];
    size_t n = (size_t)l->out * (size_t)l->in;
    NEW(exact, l->c->arena, n);
    NEW(*out, l->c->arena, n);
    TRY(tensor_to_f64(t, exact, n));
    for (size_t i = 0; i < n; i++) (*out)[i] = (real)exact[i];
    return ST_OK;
}

static status read_config(const json_t *list, const char *place, struct lq_config *c)
{
    static const char *const names[] = {[LQ_FP32] = "fp32", [LQ_FP16] = "fp16", [LQ_BF16] = "bf16"};
    const char *f = json_string_value(json_array_get(list, 2));
    int n[5], k = 0;
    FAIL_IF(json_array_size(list) != 5 || !f, ST_INPUT, "%s: 'config' must be five values, the third a type", place);
    for (size_t i = 0; i < 5; i++) n[i] = (int)json_integer_value(json_array_get(list, i));
    while (k < 3 && strcmp(names[k], f) != 0) k++;
    FAIL_IF(k == 3, ST_INPUT, "%s: unknown type of scales '%s'", place, f);
    *c = (struct lq_config){n[0], n[1], (enum lq_float)k, n[3], n[4]};
    return ST_OK;
}

/* ---- errors of all iterations ------------------------------------------------------------------------------------ */

static status compare_errors(const struct lq_case *l, const struct lq_parts *p, const json_t *errors)
{
    double first, rest, final, want = 0;
    int n = (int)json_array_size(errors), last = n - 1;
    TRY(check_tolerance(l->c, "errors_first_rel", &first));
    TRY(check_tolerance(l->c, "errors_rel", &rest));
    TRY(check_tolerance(l->c, "final_error_rel", &final));
    FAIL_IF(n < 1, ST_INPUT, "case.json: '%s' has no errors", l->name);
    for (int i = 0; i < n && i < p->iterations; i++) {
        want = json_number_value(json_array_get(errors, (size_t)i));
        check_measure(l->c, fabs(p->errors[i] / want - 1), i ? rest : first, "error %d of %s", i, l->name);
    }
    want = json_number_value(json_array_get(errors, (size_t)last));
    check_measure(l->c, fabs(p->error / want - 1), final, "final error of %s", l->name);
    return ST_OK;
}

/* ---- the first iteration ----------------------------------------------------------------------------------------- */

struct first {
    const struct lq_case *l;
    const struct lq_parts *p;
    double *rest, *noise; /* [n] W - L1 L2 of the reference and what floats may be off */
    double *codes, *scale_codes, *scales;
};

static void norm_wise(const struct first *f, const char *what, const double *want, const real *got, double tolerance)
{
    double off = 0, size = 0;
    for (size_t i = 0; i < f->p->q.size; i++) {
        off += pow((double)got[i] - want[i], 2);
        size += pow(want[i], 2);
    }
    check_measure(f->l->c, sqrt(off / size), tolerance, "first %s of %s", what, f->l->name);
}

/* Whether an element lies on a threshold, but for rounding. */
static bool tie(const struct first *f, size_t i)
{
    const struct lq *q = &f->p->q;
    double scale = f->scales[i / (size_t)q->config.block];
    for (int k = 0; k + 1 < 1 << q->config.bits; k++) {
        double threshold = ((double)q->level[k] + (double)q->level[k + 1]) / 2;
        if (fabs(f->rest[i] - threshold * scale) <= f->noise[i]) return true;
    }
    return false;
}

static void compare_codes(const struct first *f)
{
    const struct lq *q = &f->p->q;
    int wrong = 0;
    for (size_t i = 0; i < q->size; i++) wrong += lq_code(q, i) != (int)f->codes[i] && !tie(f, i);
    check_measure(f->l->c, wrong, 0, "first codes of %s", f->l->name);
}

/* A scale code may be one off where the reference's lies half between two, but for rounding. */
static void compare_scale_codes(const struct first *f)
{
    const struct lq *q = &f->p->q;
    double steps = (1 << q->config.scale_bits) - 1;
    int wrong = 0;
    for (size_t b = 0; b < q->blocks; b++) {
        double most = 0, noise = 0, top = lq_top(q, b / (size_t)q->config.scale_block);
        for (size_t i = b * (size_t)q->config.block; i < q->size && i < (b + 1) * (size_t)q->config.block; i++)
            if (fabs(f->rest[i]) > most) most = fabs(f->rest[i]), noise = f->noise[i];
        double code = top > 0 ? (most - (double)q->least) * steps / top : 0, half = fabs(code - floor(code) - 0.5);
        bool near = top > 0 && half <= 2 * noise * steps / top && fabs(lq_scale_code(q, b) - f->scale_codes[b]) <= 1;
        wrong += lq_scale_code(q, b) != (int)f->scale_codes[b] && !near;
    }
    check_measure(f->l->c, wrong, 0, "first codes of scales of %s", f->l->name);
}

static status compare_first(struct lq_case *l)
{
    struct lq_parts p;
    struct lq_form form = l->form;
    double *q, *low, *scales, tolerance;
    real *got, *got_scales;
    form.iterations = 1;
    TRY(lq_decompose(l->w, l->out, l->in, &form, l->c->arena, &p));
    size_t n = p.q.size;
    struct first f = {.l = l, .p = &p};
    TRY(check_tolerance(l->c, "first.Q / first.LL rel norm-wise", &tolerance));
    TRY(numbers(l, "first.Q", n, &q));
    TRY(numbers(l, "first.LL", n, &low));
    TRY(numbers(l, "first.codes", n, &f.codes));
    TRY(numbers(l, "first.scale_codes", p.q.blocks, &f.scale_codes));
    TRY(numbers(l, "first.scales_dq", p.q.blocks, &scales));
    f.scales = scales;
    NEW(f.rest, l->c->arena, n);
    NEW(f.noise, l->c->arena, n);
    for (size_t i = 0; i < n; i++) {
        f.rest[i] = (double)l->w[i] - low[i];
        f.noise[i] = ROUNDINGS * (double)FLT_EPSILON * (fabs((double)l->w[i]) + fabs(low[i]));
    }
    compare_codes(&f);
    compare_scale_codes(&f);
    NEW(got, l->c->arena, n);
    lq_values(&p.q, 0, (int)n, got);
    norm_wise(&f, "Q", q, got, tolerance);
    gemm(l->out, l->in, p.rank, (struct gemm_in){.p = p.l1, .ld = p.rank}, (struct gemm_in){.p = p.l2, .ld = l->in},
         got, l->in, false);
    norm_wise(&f, "L1 L2", low, got, tolerance);
    NEW(got_scales, l->c->arena, p.q.blocks);
    for (size_t b = 0; b < p.q.blocks; b++) got_scales[b] = (real)lq_scale(&p.q, b);
    return check_values(l->c, l->want, arena_printf(l->c->arena, "%s.first.scales_dq", l->name), got_scales, p.q.blocks,
                        DISTANCE_NORM, tolerance);
}

/* ---- one decomposition ------------------------------------------------------------------------------------------- */

static status compare_decomposition(struct check *c, const struct checkpoint *want, const char *name,
                                    const json_t *info)
{
    struct lq_case l = {.c = c, .want = want, .name = name};
    struct lq_parts p;
    double rank, bits;
    real *weights = NULL;
    FAIL_IF(*name != 'm', ST_INPUT, "case.json: '%s' does not name its matrix as m<number>", name);
    TRY(check_number(c->info, "rank", "case.json", &rank));
    TRY(check_number(info, "bits_per_param", name, &bits));
    TRY(matrix(&l, 'W', &l.w));
    if (strstr(name, ".aware")) TRY(matrix(&l, 'F', &weights));
    l.form = (struct lq_form){.rank = (int)rank, .iterations = ITERATIONS, .weights = weights, .result = LQ_LAST};
    TRY(read_config(json_object_get(info, "config"), name, &l.form.config));
    check_measure(c, fabs(lq_bits(&l.form.config) - bits), 0, "bits of %s", name);
    TRY(lq_decompose(l.w, l.out, l.in, &l.form, c->arena, &p));
    TRY(compare_errors(&l, &p, json_object_get(info, "errors")));
    return compare_first(&l);
}

/* ---- integer programs -------------------------------------------------------------------------------------------- */

static status read_table(const json_t *rows, int things, int choices, const char *place, double *out)
{
    for (int i = 0; i < things; i++)
        for (int j = 0; j < choices; j++) {
            const json_t *v = json_array_get(json_array_get(rows, (size_t)i), (size_t)j);
            FAIL_IF(!json_is_number(v), ST_INPUT, "case.json: '%s' has no number %d, %d", place, i, j);
            out[i * choices + j] = json_number_value(v);
        }
    return ST_OK;
}

static status compare_bits(struct check *c, const json_t *ilp, int choices)
{
    const json_t *configs = json_object_get(ilp, "configs"), *bits = json_object_get(ilp, "bits_per_param");
    for (int j = 0; j < choices; j++) {
        struct lq_config config;
        TRY(read_config(json_array_get(configs, (size_t)j), "ilp", &config));
        check_measure(c, fabs(lq_bits(&config) - json_number_value(json_array_get(bits, (size_t)j))), 0,
                      "bits of configuration %d", j);
    }
    return ST_OK;
}

struct program {
    int things, choices, *choice;
    double *size, *cost, elements, tolerance;
};

static status compare_solution(struct check *c, const struct program *p, const json_t *want)
{
    double bits, objective, sum = 0, used = 0;
    struct allocation got;
    TRY(check_number(want, "budget_bits", "a solution of ilp", &bits));
    status st = allocate(p->things, p->choices, p->size, p->cost, bits * p->elements, c->arena, p->choice, &got);
    if (json_is_false(json_object_get(want, "feasible"))) {
        check_measure(c, st != ST_USAGE, 0, "refusal of %g bits", bits);
        return ST_OK;
    }
    TRY(st);
    TRY(check_number(want, "objective", "a solution of ilp", &objective));
    for (int i = 0; i < p->things; i++) {
        sum += p->cost[i * p->choices + p->choice[i]];
        used += p->size[i * p->choices + p->choice[i]];
    }
    check_measure(c, fabs(sum / objective - 1), p->tolerance, "objective with %g bits", bits);
    check_measure(c, used > bits * p->elements, 0, "%g bits used with %g bits", used / p->elements, bits);
    return ST_OK;
}

static status compare_programs(struct check *c, const json_t *ilp)
{
    const json_t *elements = json_object_get(ilp, "elements"), *solutions = json_object_get(ilp, "solutions");
    struct program p = {.things = (int)json_array_size(elements),
                        .choices = (int)json_array_size(json_object_get(ilp, "configs"))};
    FAIL_IF(p.things < 1 || p.choices < 1, ST_INPUT, "case.json: 'ilp' names no elements or configs");
    NEW(p.size, c->arena, p.things * p.choices);
    NEW(p.cost, c->arena, p.things * p.choices);
    NEW(p.choice, c->arena, p.things);
    TRY(check_tolerance(c, "ilp_objective_rel", &p.tolerance));
    TRY(read_table(json_object_get(ilp, "storage_bits"), p.things, p.choices, "storage_bits", p.size));
    TRY(read_table(json_object_get(ilp, "cost"), p.things, p.choices, "cost", p.cost));
    TRY(compare_bits(c, ilp, p.choices));
    for (int i = 0; i < p.things; i++) p.elements += json_number_value(json_array_get(elements, (size_t)i));
    for (size_t k = 0; k < json_array_size(solutions); k++) TRY(compare_solution(c, &p, json_array_get(solutions, k)));
    return ST_OK;
}

status check_lq(struct check *c, void *ctx)
{
    const struct checkpoint *want;
    const char *name;
    json_t *info, *results = json_object_get(c->info, "results");
    (void)ctx;
    FAIL_IF(json_object_size(results) == 0, ST_INPUT, "case.json has no results");
    TRY(check_tensors(c, "lq.safetensors", &want));
    json_object_foreach(results, name, info) TRY(compare_decomposition(c, want, name, info));
    return compare_programs(c, json_object_get(c->info, "ilp"));
}
