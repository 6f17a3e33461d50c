/* Golden cases of B-LoRA: recorded gate noise, ranges, signs, penalties, bits and ranks at the end; and the unit case
 * of its quantiser and gates. */
#include <math.h>
#include <string.h>
#include "core/learned_bits.h"
#include "core/text.h"
#include "tests/golden/golden_extras.h"

/* ---- training cases ------------------------------------------------------------------------------------------------
 */

struct place { /* the gates of one tensor in one kind of use */
    uint32_t who;
    const char *name;
    const double *u; /* of step 0 */
    size_t step;     /* distance of steps */
    int n;
};

struct blora {
    struct place *place;
    int places;
    double loss_abs;
};

static int recorded_noise(void *ctx, enum rng_stream stream, uint64_t step, int micro, uint32_t who, uint64_t element,
                          double *u)
{
    const struct blora *b = ctx;
    (void)micro;
    if (stream != RNG_GATE) return 0;
    for (int i = 0; i < b->places; i++) {
        const struct place *p = &b->place[i];
        if (p->who != who || element >= (uint64_t)p->n) continue;
        *u = p->u[step * p->step + element];
        return 1;
    }
    return 0;
}

/* "<site>" or "<site>|tokens", "<site>|table". */
static const char *unit_name(const struct check *c, size_t unit)
{
    return json_string_value(json_array_get(json_object_get(json_object_get(c->info, "noise"), "units"), unit));
}

static status add_sites(const struct check *c, struct text *sites)
{
    for (size_t i = 0; unit_name(c, i); i++) {
        const char *name = unit_name(c, i);
        char site[512];
        snprintf(site, sizeof site, "%.*s", (int)strcspn(name, "|"), name);
        if (sites->s && strstr(sites->s, site)) continue;
        TRY(text_printf(sites, "%s%s", sites->n > 0 ? "+" : "", site));
    }
    return ST_OK;
}

/* Form, noise and layers are told by lists of names. */
static status blora_options(struct check *c, const struct method *m, void *options)
{
    const json_t *list = json_object_get(c->info, "quantisers"), *q;
    size_t i;
    bool ranks = false;
    struct text sites = {0};
    json_array_foreach(list, i, q) ranks |= strcmp(json_string_value(q), "E") == 0;
    bool call = unit_name(c, 0) && strchr(unit_name(c, 0), '|');
    TRY(option_set(m->options, options, "form", ranks ? "qra" : "q", "case.json", c->arena));
    TRY(option_set(m->options, options, "noise", call ? "call" : "step", "case.json", c->arena));
    status st = add_sites(c, &sites);
    if (st == ST_OK) st = option_set(m->options, options, "sites", sites.s ? sites.s : "", "case.json", c->arena);
    text_free(&sites);
    return st;
}

/* The gates "<site of unit>.<suffix>" read u[step][unit][at .. at+n-1] of [steps][units][width]. */
static status add_place(struct extras_run *r, size_t unit, const char *suffix, const double *u, size_t step, int n)
{
    struct blora *b = r->own;
    const char *name = unit_name(r->c, unit), *bar = strchr(name, '|');
    const char *tensor = arena_printf(r->c->arena, "%.*s.%s", (int)strcspn(name, "|"), name, suffix);
    if (!tensor) return ST_MEMORY;
    FAIL_IF(!param_find(&r->s->reg, tensor), ST_INPUT, "the method has no tensor '%s'", tensor);
    uint32_t who = text_hash32(tensor) + (bar && strcmp(bar, "|table") == 0);
    b->place[b->places++] = (struct place){who, tensor, u, step, n};
    return ST_OK;
}

static status read_noise(struct check *c, const struct checkpoint *ck, const char *name, double **u, size_t *row)
{
    const struct tensor *t = checkpoint_find(ck, name);
    FAIL_IF(!t || t->dims < 3, ST_INPUT, "%s: no noise '%s' [step, unit, ...]", ck->path, name);
    size_t n = tensor_size(t);
    NEW(*u, c->arena, n);
    *row = n / (size_t)(t->shape[0] * t->shape[1]);
    return tensor_to_f64(t, *u, n);
}

static status set_noise(struct extras_run *r)
{
    struct check *c = r->c;
    struct blora *b = r->own;
    const struct checkpoint *ck;
    const json_t *names = json_object_get(c->info, "quantisers"), *q;
    double *u = NULL, *ranks = NULL;
    size_t units = 0, width = 0, gates = 0, i;
    TRY(check_tensors(c, "noise.safetensors", &ck));
    TRY(read_noise(c, ck, "u_quant", &u, &width));
    if (checkpoint_find(ck, "u_rank")) TRY(read_noise(c, ck, "u_rank", &ranks, &gates));
    while (unit_name(c, units)) units++;
    NEW(b->place, c->arena, units * (json_array_size(names) + 1));
    for (size_t unit = 0; unit < units; unit++) {
        json_array_foreach(names, i, q)
        {
            const char *suffix = arena_printf(c->arena, "%s.phi", json_string_value(q));
            if (!suffix) return ST_MEMORY;
            TRY(add_place(r, unit, suffix, u + unit * width + i * BITS_GATES, units * width, BITS_GATES));
        }
        if (ranks) TRY(add_place(r, unit, "rank.xi", ranks + unit * gates, units * gates, (int)gates));
    }
    r->s->rng.replay = recorded_noise;
    r->s->rng.replay_ctx = b;
    return ST_OK;
}

static status blora_open(struct extras_run *r)
{
    struct blora *b;
    ZNEW(b, r->c->arena, 1);
    r->own = b;
    TRY(check_tolerance(r->c, "loss_abs", &b->loss_abs));
    return set_noise(r);
}

/* The sampled gates of step 1 and the rounded products, in the order of the places. */
static status compare_gates(struct extras_run *r)
{
    const struct blora *b = r->own;
    const struct checkpoint *ck;
    real *z, *rank;
    size_t zs = 0, ranks = 0, total = 0;
    TRY(check_tensors(r->c, "gates_step1.safetensors", &ck));
    for (int i = 0; i < b->places; i++) total += (size_t)b->place[i].n + 1;
    NEW(z, r->c->arena, total);
    NEW(rank, r->c->arena, total);
    for (int i = 0; i < b->places; i++) {
        const struct place *p = &b->place[i];
        const struct param *phi = param_find(&r->s->reg, p->name);
        bool is_rank = strstr(p->name, ".rank.xi") != NULL;
        double product = 1;
        if (is_rank) rank[ranks++] = 1;
        for (int k = 0; k < p->n; k++) {
            double value = gate_sampled((double)phi->data[k], p->u[k]).z;
            if (is_rank)
                rank[ranks++] = (real)rint(product *= value);
            else
                z[zs++] = (real)value;
        }
    }
    TRY(check_values(r->c, ck, "z_quant_step1", z, zs, DISTANCE_ABS, 1e-5));
    return ranks > 0 ? check_values(r->c, ck, "rank_vector_step1", rank, ranks, DISTANCE_ABS, 0) : ST_OK;
}

/* "<site>.<quantiser>": true when signed. Ranges have been taken. */
static status compare_signs(struct extras_run *r)
{
    const char *name;
    const json_t *want;
    int wrong = 0;
    json_object_foreach(json_object_get(r->c->info, "signed"), name, want)
    {
        const char *tensor = arena_printf(r->c->arena, "%s.sign", name);
        if (!tensor) return ST_MEMORY;
        const struct param *sign = param_find(&r->s->reg, tensor);
        FAIL_IF(!sign, ST_INPUT, "the method has no tensor '%s'", tensor);
        wrong += sign->data[0] != (json_is_true(want) ? 2 : 1);
    }
    check_measure(r->c, wrong, 0, "signs of quantisers");
    return ST_OK;
}

static status compare_bits(struct extras_run *r)
{
    const char *name;
    const json_t *want, *end = json_object_get(r->c->info, "end");
    int wrong = 0;
    json_object_foreach(json_object_get(end, "bits"), name, want)
    {
        const char *tensor = arena_printf(r->c->arena, "%s.phi", name);
        if (!tensor) return ST_MEMORY;
        const struct learned_bits q = {.phi = param_find(&r->s->reg, tensor)};
        FAIL_IF(!q.phi, ST_INPUT, "the method has no tensor '%s'", tensor);
        wrong += learned_bits_now(&q) != json_number_value(want);
    }
    check_measure(r->c, wrong, 0, "bits at the end");
    wrong = 0;
    json_object_foreach(json_object_get(end, "rank"), name, want)
    {
        for (int i = 0; i < r->s->run.sites; i++) {
            struct site_report report = {0};
            if (strcmp(r->s->run.site[i]->name, name) != 0) continue;
            r->s->run.method->report(&r->s->run, r->s->run.site[i], 0, &report);
            wrong += report.rank != (int)json_integer_value(want);
        }
    }
    check_measure(r->c, wrong, 0, "ranks at the end");
    return ST_OK;
}

/* The authors' form of the rank penalty, of the tensors at the end. */
static status compare_compat(struct extras_run *r)
{
    const struct method *m = r->s->run.method;
    const json_t *want =
        json_object_get(json_object_get(json_object_get(r->c->info, "end"), "rank_penalty_compat_form"), "value");
    const void *before = r->s->run.options;
    void *options;
    double value;
    if (!want) return ST_OK;
    if (!(options = arena_alloc(r->c->arena, m->option_size))) return ST_MEMORY;
    memcpy(options, before, m->option_size);
    TRY(option_set(m->options, options, "rank_penalty", "authors", "test", r->c->arena));
    TRY(option_set(m->options, options, "lambda_q", "0", "test", r->c->arena));
    TRY(option_set(m->options, options, "lambda_r", "1", "test", r->c->arena));
    r->s->run.options = options;
    status st = m->penalty(&r->s->run, &value);
    r->s->run.options = before;
    check_measure(r->c, fabs(value / json_number_value(want) - 1), 1e-4, "the authors' rank penalty");
    return st;
}

static status blora_step(struct extras_run *r, long k, double loss, double penalty)
{
    const struct blora *b = r->own;
    const json_t *terms = json_array_get(json_object_get(r->c->info, "loss_terms"), (size_t)k),
                 *adapter = json_object_get(r->c->info, "adapter");
    double ce, bits, ranks, lambda_q, lambda_r;
    TRY(check_number(terms, "ce", "case.json, loss_terms", &ce));
    TRY(check_number(terms, "quant_penalty", "case.json, loss_terms", &bits));
    TRY(check_number(terms, "rank_penalty", "case.json, loss_terms", &ranks));
    TRY(check_number(adapter, "lam_q", "case.json, adapter", &lambda_q));
    TRY(check_number(adapter, "lam_r", "case.json, adapter", &lambda_r));
    check_measure(r->c, fabs(loss - ce), b->loss_abs, "cross entropy of step %ld", k + 1);
    check_measure(r->c, fabs(penalty - lambda_q * bits - lambda_r * ranks), b->loss_abs, "penalty of step %ld", k + 1);
    if (k == 0) TRY(compare_gates(r)); /* the first update has rate 0: phi is still what it was */
    if (k == 0) TRY(compare_signs(r));
    if ((uint64_t)k + 1 < r->s->run.total_steps) return ST_OK;
    TRY(compare_bits(r));
    return compare_compat(r);
}

static const struct key_name names[] = {{"lam_q", "lambda_q"},
                                        {"lam_r", "lambda_r"},
                                        {"phi", NULL}, /* initial values are in init.safetensors */
                                        {"phi0", NULL},
                                        {NULL, NULL}};
const struct extras extras_blora = {"blora", names, blora_options, blora_open, blora_step};

/* ---- the unit case -------------------------------------------------------------------------------------------------
 */

static void read_row(const json_t *rows, size_t i, double *v, int n)
{
    for (int k = 0; k < n; k++) v[k] = json_number_value(json_array_get(json_array_get(rows, i), (size_t)k));
}

static void unit_gates(struct check *c)
{
    const json_t *g = json_object_get(c->info, "hard_concrete"), *phi = json_object_get(g, "phi"), *p;
    size_t i;
    json_array_foreach(phi, i, p)
    {
        double at = json_number_value(p);
        double q = json_number_value(json_array_get(json_object_get(g, "prob_nonzero"), i)),
               z = json_number_value(json_array_get(json_object_get(g, "eval_gate"), i));
        check_measure(c, fabs(gate_chance(at).z - q), 1e-12, "chance of gate %zu", i);
        check_measure(c, fabs(gate_decided(at).z - z), 0, "threshold of gate %zu", i);
    }
    const json_t *bits = json_object_get(c->info, "effective_bits"), *row;
    json_array_foreach(bits, i, row)
    {
        double z[BITS_GATES];
        for (size_t k = 0; k < BITS_GATES; k++) z[k] = json_number_value(json_array_get(json_object_get(row, "z"), k));
        check_measure(c, fabs(bits_effective(z) - json_number_value(json_object_get(row, "bits"))), 0,
                      "effective bits %zu", i);
    }
}

static void unit_penalty(struct check *c)
{
    const json_t *p = json_object_get(c->info, "penalty"), *rows = json_object_get(p, "phi"), *bop;
    double weight[BITS_LEVELS], phi[BITS_GATES], slope[BITS_GATES];
    const double one[BITS_LEVELS] = {1, 1, 1, 1, 1};
    bop = json_object_get(p, "bop_weights");
    for (size_t k = 0; k < BITS_LEVELS; k++) weight[k] = json_number_value(json_array_get(bop, k));
    for (size_t i = 0; i < json_array_size(rows); i++) {
        real at[BITS_GATES], grad[BITS_GATES] = {0};
        read_row(rows, i, phi, BITS_GATES);
        read_row(json_object_get(p, "dconst_dphi"), i, slope, BITS_GATES);
        for (int k = 0; k < BITS_GATES; k++) at[k] = (real)phi[k];
        double value = bits_penalty(at, one, 1, grad), bops = bits_penalty(at, weight, 1, NULL);
        check_measure(c, fabs(value - json_number_value(json_array_get(json_object_get(p, "const"), i))), 1e-6,
                      "penalty %zu", i);
        check_measure(c, fabs(bops - json_number_value(json_array_get(json_object_get(p, "bop"), i))), 1e-6,
                      "BOP penalty %zu", i);
        for (int k = 0; k < BITS_GATES; k++)
            check_measure(c, fabs((double)grad[k] - slope[k]), 1e-6, "slope of penalty %zu", i);
    }
}

static status unit_ranks(struct check *c)
{
    const json_t *g = json_object_get(c->info, "rank_gates"), *rows = json_object_get(g, "xi");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        int n = (int)json_array_size(json_array_get(rows, i));
        struct gate *gate;
        double *v, *product;
        real *dxi;
        NEW(gate, c->arena, n);
        NEW(v, c->arena, 7 * (n + 1));
        ZNEW(dxi, c->arena, n);
        double *u = v + n + 1, *up = u + n + 1, *z = up + n + 1, *want = z + n + 1, *slope = want + n + 1;
        product = slope + n + 1;
        read_row(rows, i, v, n);
        read_row(json_object_get(g, "u"), i, u, n);
        read_row(json_object_get(g, "upstream"), i, up, n + 1);
        read_row(json_object_get(g, "z"), i, z, n);
        read_row(json_object_get(g, "gate_vector"), i, want, n + 1);
        read_row(json_object_get(g, "dxi"), i, slope, n);
        for (int k = 0; k < n; k++) {
            gate[k] = gate_sampled(v[k], u[k]);
            check_measure(c, fabs(gate[k].z - z[k]), 1e-12, "rank gates %zu", i);
        }
        rank_products(gate, n, product);
        rank_products_backward(gate, n, product, up, dxi);
        for (int k = 0; k <= n; k++) check_measure(c, fabs(rint(product[k]) - want[k]), 0, "rank vector %zu", i);
        for (int k = 0; k < n; k++) check_measure(c, fabs((double)dxi[k] - slope[k]), 1e-6, "slopes of xi, %zu", i);
    }
    return ST_OK;
}

struct unit { /* bb.safetensors */
    const struct checkpoint *ck;
    double *x, x_max;
    size_t n;
    real *v, *y, *g;
};

static status read_unit(struct check *c, struct unit *u)
{
    TRY(check_tensors(c, "bb.safetensors", &u->ck));
    const struct tensor *x = checkpoint_find(u->ck, "x"), *x_max = checkpoint_find(u->ck, "xmax");
    FAIL_IF(!x || !x_max, ST_INPUT, "%s: x or xmax is missing", u->ck->path);
    u->n = tensor_size(x);
    NEW(u->x, c->arena, u->n);
    NEW(u->v, c->arena, u->n);
    NEW(u->y, c->arena, u->n);
    NEW(u->g, c->arena, u->n);
    TRY(tensor_to_f64(x, u->x, u->n));
    return tensor_to_f64(x_max, &u->x_max, 1);
}

static void choose_sign(struct unit *u, bool is_signed)
{
    for (size_t i = 0; i < u->n; i++) u->v[i] = (real)(is_signed ? u->x[i] : fabs(u->x[i]));
}

/* All gates open up to each number of bits. */
static status unit_levels(struct check *c, struct unit *u)
{
    for (int is_signed = 0; is_signed < 2; is_signed++)
        for (int open = 0; open <= BITS_GATES; open++) {
            double z[BITS_GATES] = {0};
            struct bits q;
            for (int b = 0; b < open; b++) z[b] = 1;
            bits_set(&q, u->x_max, is_signed, true, z);
            choose_sign(u, is_signed);
            bits_quantise(&q, u->v, u->n, u->y);
            const char *name = arena_printf(c->arena, "%s.bits%d", is_signed ? "signed" : "unsigned", 2 << open);
            if (!name) return ST_MEMORY;
            double tolerance = open < 3 ? (double)q.step[0] * 1e-6 : u->x_max * 1e-6;
            TRY(check_values(c, u->ck, name, u->y, u->n, DISTANCE_ABS, tolerance));
        }
    return ST_OK;
}

/* Row i of a tensor [sets, ...]. */
static status row_of(struct check *c, const struct checkpoint *ck, const char *name, size_t i, double **row, size_t *n)
{
    const struct tensor *t = checkpoint_find(ck, name);
    FAIL_IF(!t || (int64_t)i >= t->shape[0], ST_INPUT, "%s: row %zu of '%s' is missing", ck->path, i, name);
    *n = tensor_size(t) / (size_t)t->shape[0];
    NEW(*row, c->arena, tensor_size(t));
    TRY(tensor_to_f64(t, *row, tensor_size(t)));
    *row += i * *n;
    return ST_OK;
}

static double worst_of(const double *want, const real *got, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++) worst = fmax(worst, fabs(want[i] - (double)got[i]));
    return worst;
}

/* One set of sampled gates: values and all gradients. */
static status unit_set(struct check *c, struct unit *u, size_t i)
{
    double *noise = NULL, *phi, *g, *z, *y, *dx, *dz, *dphi, *dx_max, open[BITS_GATES], size = 0, relative,
           range_relative;
    size_t n;
    struct gate gate[BITS_GATES];
    struct bits q;
    struct bits_sums sums = {{0}, 0};
    TRY(row_of(c, u->ck, "u", i, &noise, &n));
    TRY(row_of(c, u->ck, "phi", i, &phi, &n));
    TRY(row_of(c, u->ck, "gated.z", i, &z, &n));
    TRY(row_of(c, u->ck, "gated.dz", i, &dz, &n));
    TRY(row_of(c, u->ck, "gated.dphi", i, &dphi, &n));
    TRY(row_of(c, u->ck, "gated.dxmax", i, &dx_max, &n));
    TRY(row_of(c, u->ck, "g", i, &g, &n));
    TRY(row_of(c, u->ck, "gated.y", i, &y, &n));
    TRY(row_of(c, u->ck, "gated.dx", i, &dx, &n));
    TRY(check_tolerance(c, "dphi_dz_rel", &relative));
    TRY(check_tolerance(c, "dxmax_rel", &range_relative));
    for (int b = 0; b < BITS_GATES; b++) {
        gate[b] = gate_sampled(phi[b], noise[b]);
        open[b] = gate[b].z;
        check_measure(c, fabs(open[b] - z[b]), 1e-12, "gate %d of set %zu", b, i);
    }
    bits_set(&q, u->x_max, i % 2 == 0, true, open);
    choose_sign(u, i % 2 == 0);
    for (size_t k = 0; k < u->n; k++) {
        u->g[k] = (real)g[k];
        size += fabs(g[k]);
    }
    bits_quantise(&q, u->v, u->n, u->y);
    bits_backward(&q, true, u->v, u->n, u->g, &sums);
    check_measure(c, worst_of(y, u->y, u->n), u->x_max * 1e-6, "y of set %zu", i);
    check_measure(c, worst_of(dx, u->g, u->n), 1e-6, "dx of set %zu", i);
    for (int b = 0; b < BITS_GATES; b++) {
        double most = relative * fabs(dz[b]) + 1e-6 * u->x_max * size;
        check_measure(c, fabs(sums.gate[b] - dz[b]), most, "dz %d of set %zu", b, i);
        check_measure(c, fabs(sums.gate[b] * gate[b].slope - dphi[b]), most * (1 + gate[b].slope), "dphi %d of set %zu",
                      b, i);
    }
    check_measure(c, fabs(sums.x_max / dx_max[0] - 1), range_relative, "range of set %zu", i);
    return ST_OK;
}

status check_bayesian_bits(struct check *c, void *ctx)
{
    struct unit u;
    (void)ctx;
    unit_gates(c);
    unit_penalty(c);
    TRY(unit_ranks(c));
    TRY(read_unit(c, &u));
    TRY(unit_levels(c, &u));
    const struct tensor *phi = checkpoint_find(u.ck, "phi");
    FAIL_IF(!phi, ST_INPUT, "%s: phi is missing", u.ck->path);
    for (size_t i = 0; i < (size_t)phi->shape[0]; i++) TRY(unit_set(c, &u, i));
    return ST_OK;
}
