/* B-LoRA: low-rank updates whose bits and rank are learned (METHODS 3.6). With Q_* a quantiser each and g the rank
 * gates,
 *
 *     y = Q_out( Q_W(W0) x + b + (alpha/r) Q_B(B) a ),   a = Q_QE( g o Q_E(E) o Q_QA( Q_A(A) x ) )   form qra
 *                                                        a = Q_QA( Q_A(A) x )                       form q
 *
 * and form ra is qra without any quantiser. The frozen W0 (unless base = stored) is quantised on its way into the
 * products, tile by tile over whatever store keeps it; x and the bias are not quantised. A quantiser has four gates
 * (phi) and a range (x_max), a rank gate vector has rank - 1 (xi); gates are sampled in training and thresholded
 * otherwise. Ranges start at the largest number of the first batch (PASS_OBSERVE); a quantiser whose range is not known
 * yet lets everything pass.
 *
 * A gate's noise is a function of (seed, step, name of its tensor), so nothing is kept between forward and backward but
 * what the quantisers of activations read, and micro-batches share the noise of their step. Small matrices are
 * quantised anew in each use. Names: METHODS 3.6.3 and 8; on head layers (pooler, classifier), which train in full,
 * there is no update and only the weight and the output are quantised. */
#include <math.h>
#include <string.h>
#include "core/gemm.h"
#include "core/learned_bits.h"
#include "core/ops.h"
#include "core/text.h"
#include "methods/method.h"

enum form { FORM_Q, FORM_RA, FORM_QRA };
enum { REG_CONST, REG_BOP };
enum { NOISE_STEP, NOISE_CALL };
enum { RANGES_LEARNED, RANGES_FIXED };
enum { E_NORMAL, E_ZERO };
enum { PLACE_PAPER, PLACE_AUTHORS };
enum { RANKS_PAPER, RANKS_AUTHORS };
enum { BASE_LEARNED, BASE_STORED };

struct options {
    const char *sites;
    int form, rank, e_init, ranges, range_clip, reg, noise, placement, rank_penalty, base;
    double alpha, dropout, phi, xi, lambda_q, lambda_r, gate_lr, range_lr, gates_open, gates_fixed;
};
#define AT(field) offsetof(struct options, field)

static const struct option options[] = {
    {"sites", OPT_STRING, AT(sites), 0, 0, "qkv", "LIST",
     "layers: roles or name patterns joined by +; pooler+classifier: head quantisers too", 0},
    {"form", OPT_ENUM, AT(form), 0, 0, "qra", "q|ra|qra", "what is learned besides the update: bits, ranks, or both",
     0},
    {"rank", OPT_INT, AT(rank), 1, 4096, "8", NULL, "largest rank r", 0},
    {"alpha", OPT_REAL, AT(alpha), 0, 1e6, "16", NULL, "scale of the update, times rank", 0},
    {"dropout", OPT_REAL, AT(dropout), 0, 0.99, "0", NULL, "dropout on the input of A", 0},
    {"phi", OPT_REAL, AT(phi), -20, 20, "6", NULL, "start of the bit gates", 0},
    {"xi", OPT_REAL, AT(xi), -20, 20, "6", NULL, "start of the rank gates", 0},
    {"lambda_q", OPT_REAL, AT(lambda_q), 0, 1e6, "1", NULL,
     "penalty on bits, per quantiser (the loss is a mean over examples)", 0},
    {"lambda_r", OPT_REAL, AT(lambda_r), 0, 1e6, "1", NULL, "penalty on ranks, per layer", 0},
    {"gate_lr", OPT_REAL, AT(gate_lr), 0, 10, "0.01", NULL, "rate of all gates", 0},
    {"range_lr", OPT_REAL, AT(range_lr), 0, 10, "0.001", NULL, "rate of the ranges", 0},
    {"reg", OPT_ENUM, AT(reg), 0, 0, "const", "const|bop",
     "weight of b bits in the penalty: 1, or b times the share in the largest layer's products", 0},
    {"noise", OPT_ENUM, AT(noise), 0, 0, "step", "step|call",
     "gate noise: one draw a step, or another one for the relative table", 0},
    {"e_init", OPT_ENUM, AT(e_init), 0, 0, "normal", "normal|zero", "start of E: N(0, 1), or 0 with the smallest range",
     0},
    {"ranges", OPT_ENUM, AT(ranges), 0, 0, "learned", "learned|fixed", "ranges after the first batch", 0},
    {"range_clip", OPT_BOOL, AT(range_clip), 0, 0, "yes", NULL, "clip to the range; no: as the authors' code", 0},
    {"gates_open", OPT_REAL, AT(gates_open), 0, 1, "0", NULL, "first part of the run: gates open, no noise, no penalty",
     0},
    {"gates_fixed", OPT_REAL, AT(gates_fixed), 0, 1, "0", NULL,
     "last part of the run: gates stay at their thresholded values, no penalty", 0},
    {"placement", OPT_ENUM, AT(placement), 0, 0, "paper", "paper|authors",
     "authors: two more quantisers (of W0 x + b, of the update), bias through that of W0", 0},
    {"rank_penalty", OPT_ENUM, AT(rank_penalty), 0, 0, "paper", "paper|authors",
     "authors: mean chance of a rank times the bit penalty of E, in place of the latter", 0},
    {"base", OPT_ENUM, AT(base), 0, 0, "learned", "learned|stored",
     "bits of W0: learned, or those of its store (decoders over nf4)", OPTION_YOUNG},
    OPT_END,
};

/* Quantisers of a site, in the order in which a forward pass meets them. */
enum quantiser { Q_W, Q_A, Q_E, Q_B, Q_BASE, Q_QA, Q_QE, Q_ADD, Q_OUT, QUANTISERS };
static const char *const quantiser_name[QUANTISERS] = {"W", "A", "E", "B", "Qbase", "QA", "QE", "Qadd", "Qout"};

struct adapter {
    struct param *a, *b, *e, *xi;      /* NULL: not in this form, rank 1, or a head layer */
    struct learned_bits q[QUANTISERS]; /* phi NULL: no such quantiser */
    struct learned_bits bias;          /* W's quantiser, for the bias */
    struct drop drop;
    double *held_rank[BITS_PLACES]; /* see ranks_begin */
};

/* ---- setup ---- */

static bool in_head(const struct site *s)
{
    return s->role == ROLE_POOLER || s->role == ROLE_CLASSIFIER;
}

static bool has_quantiser(const struct options *o, const struct site *s, int k)
{
    if (o->form == FORM_RA) return false;
    if (k == Q_OUT || (k == Q_W && in_head(s))) return true;
    if (k == Q_W) return o->base == BASE_LEARNED;
    if (in_head(s)) return false;
    if (k == Q_E || k == Q_QE) return o->form == FORM_QRA;
    return (k != Q_BASE && k != Q_ADD) || o->placement == PLACE_AUTHORS;
}

static status blora_setup(struct mrun *run)
{
    const struct options *o = run->options;
    FAIL_IF(o->gates_open + o->gates_fixed > 1, ST_USAGE,
            "blora: gates_open = %g and gates_fixed = %g are more than the whole run", o->gates_open, o->gates_fixed);
    return ST_OK;
}

static status add_update(struct mrun *run, struct site *site)
{
    const struct options *o = run->options;
    struct adapter *ad = site->adapter;
    const double sd = 0.02; /* of A and B; B = 0 would leave its quantiser without a range (METHODS 8, 15) */
    TRY(site_tensor(site, run->reg, P_ADAPTER, "lora_A", o->rank, site->in, &ad->a));
    TRY(site_tensor(site, run->reg, P_ADAPTER, "lora_B", site->out, o->rank, &ad->b));
    rng_fill_normal(run->rng, ad->a->name, ad->a->data, param_size(ad->a), 0, sd);
    rng_fill_normal(run->rng, ad->b->name, ad->b->data, param_size(ad->b), 0, sd);
    ad->drop = (struct drop){o->dropout, text_hash32(ad->a->name)};
    if (o->form == FORM_Q) return ST_OK;
    TRY(site_tensor(site, run->reg, P_ADAPTER, "lora_E", 1, o->rank, &ad->e));
    if (o->e_init == E_NORMAL) rng_fill_normal(run->rng, ad->e->name, ad->e->data, param_size(ad->e), 0, 1);
    if (o->rank == 1) return ST_OK; /* the first rank has no gate */
    const char *name = arena_printf(run->arena, "%s.rank.xi", site->name);
    if (!name) return ST_MEMORY;
    return learned_gates_add(run->reg, P_ADAPTER, name, o->rank - 1, site->order, o->gate_lr, o->xi, &ad->xi);
}

static status blora_attach(struct mrun *run, struct site *site, const real *w)
{
    const struct options *o = run->options;
    const struct learned_form form = {o->phi, o->gate_lr, o->range_lr, o->ranges == RANGES_LEARNED};
    struct adapter *ad = site->adapter;
    (void)w;
    FAIL_IF(site->kind != SITE_LINEAR, ST_USAGE, "blora: %s is no linear layer", site->name);
    if (!in_head(site)) TRY(add_update(run, site));
    for (int k = 0; k < QUANTISERS; k++) {
        if (!has_quantiser(o, site, k)) continue;
        const char *name = arena_printf(run->arena, "%s.%s", site->name, quantiser_name[k]);
        if (!name) return ST_MEMORY;
        TRY(learned_bits_add(&ad->q[k], &form, run->reg, name, site->order));
    }
    if (o->placement == PLACE_AUTHORS) ad->bias = ad->q[Q_W];
    return ST_OK;
}

/* ---- stages of the run ---- */

enum stage { STAGE_OPEN, STAGE_LEARN, STAGE_FIXED };

static uint64_t part_of_run(const struct mrun *run, double part)
{
    return (uint64_t)(part * (double)run->total_steps + 0.5);
}

static enum stage stage_of(const struct mrun *run, uint64_t step)
{
    const struct options *o = run->options;
    uint64_t fixed = part_of_run(run, o->gates_fixed);
    if (step < part_of_run(run, o->gates_open)) return STAGE_OPEN;
    return fixed > 0 && step + fixed >= run->total_steps ? STAGE_FIXED : STAGE_LEARN;
}

/* Outside of their stage gates do not move, not even by momentum; their Adam begins with the stage. */
static void hold(const struct mrun *run, struct param *p, bool learns)
{
    const struct options *o = run->options;
    if (!p) return;
    p->hi = learns ? p->rows : 0;
    p->idle = (long)part_of_run(run, o->gates_open);
}

static status blora_step_begin(struct mrun *run)
{
    bool learns = stage_of(run, run->step) == STAGE_LEARN;
    for (int i = 0; i < run->sites; i++) {
        if (!run->chosen[i]) continue;
        struct adapter *ad = run->site[i]->adapter;
        hold(run, ad->xi, learns);
        for (int k = 0; k < QUANTISERS; k++) hold(run, ad->q[k].phi, learns);
    }
    return ST_OK;
}

/* The ranges are taken anew in a pass that observes. */
static status blora_prepare(struct mrun *run, struct site *site, struct pass *pass)
{
    struct adapter *ad = site->adapter;
    (void)run;
    for (int k = 0; pass->mode == PASS_OBSERVE && k < QUANTISERS; k++)
        if (ad->q[k].phi) ad->q[k].sign->data[0] = 0;
    return ST_OK;
}

/* ---- one use of a site ---- */

struct work {
    struct use *u;
    const struct options *o;
    struct adapter *ad;
    struct arena *scratch;
    struct bits_pass pass;
    struct bits_use q[QUANTISERS], bias;
    /* the update */
    int r;
    double scale;
    bool scale_late; /* Q_ADD reads the unscaled update */
    real *a, *b, *e; /* quantised; b times the scale unless scale_late */
    real *factor;    /* [r] e o rank; NULL: none */
    struct ranks_use ranks;
    /* the layer as base_forward and base_backward shall see it */
    struct use plain;
    struct site site;
    struct param weight, plain_bias;
    struct bits_weight source;
};

static struct bits_pass bits_pass_of(const struct use *u)
{
    static const enum bits_mode modes[] = {[PASS_NORMAL] = BITS_NORMAL, [PASS_OBSERVE] = BITS_OBSERVE};
    const struct mrun *run = u->site->run;
    const struct options *o = run->options;
    const struct pass *pass = u->pass;
    bool table = u->kind == USE_TABLE;
    enum stage stage = stage_of(run, pass->step);
    struct bits_pass p = {.rule = GATES_SAMPLED,
                          .mode = pass->mode == PASS_CHECK ? (pass->keep ? BITS_RECORD : BITS_HELD) : modes[pass->mode],
                          .rng = pass->rng,
                          .step = pass->step,
                          .noise = o->noise == NOISE_CALL && table,
                          .place = table,
                          .clip = o->range_clip,
                          .keep = run->arena};
    if (stage == STAGE_OPEN) p.rule = GATES_OPEN;
    if (stage == STAGE_FIXED || !pass->train) p.rule = GATES_DECIDED;
    return p;
}

/* The small matrices of the update, quantised. */
static status begin_update(struct work *w)
{
    struct adapter *ad = w->ad;
    w->r = ad->a->rows;
    w->scale = w->o->alpha / w->r;
    w->scale_late = ad->q[Q_ADD].phi != NULL;
    NEW(w->a, w->scratch, param_size(ad->a));
    NEW(w->b, w->scratch, param_size(ad->b));
    TRY(bits_use_forward(&w->q[Q_A], ad->a->data, param_size(ad->a), w->a));
    TRY(bits_use_forward(&w->q[Q_B], ad->b->data, param_size(ad->b), w->b));
    struct mat b = mat_of(w->b, ad->b->rows, ad->b->cols);
    if (!w->scale_late) op_scale(&b, w->scale);
    if (!ad->e) return ST_OK;
    NEW(w->e, w->scratch, w->r);
    NEW(w->factor, w->scratch, w->r);
    TRY(ranks_begin(&w->ranks, ad->xi, w->r, &w->pass, &ad->held_rank[w->pass.place], w->scratch));
    TRY(bits_use_forward(&w->q[Q_E], ad->e->data, (size_t)w->r, w->e));
    for (int i = 0; i < w->r; i++) w->factor[i] = w->e[i] * w->ranks.rank[i];
    return ST_OK;
}

/* The weight that the layer would have without its quantiser: trained in head layers, else the store's. */
static struct wsrc inner_weight(const struct site *s)
{
    return param_trained(s->weight) ? wsrc_dense(s->weight->data, s->out, s->in) : s->w;
}

/* A copy of the layer with the quantised weight (and bias), whose gradients nobody wants yet. */
static status begin_plain(struct work *w)
{
    const struct site *s = w->u->site;
    struct wsrc inner = inner_weight(s);
    w->site = *s;
    w->weight = *s->weight;
    w->weight.grad = NULL;
    w->site.weight = &w->weight;
    w->plain = *w->u;
    w->plain.site = &w->site;
    TRY(bits_use_weight(&w->q[Q_W], &inner, w->scratch, &w->source, &w->site.w));
    if (!w->ad->bias.phi || !s->bias) return ST_OK;
    bits_use_begin(&w->bias, &w->ad->bias, &w->pass);
    w->plain_bias = *s->bias;
    NEW(w->plain_bias.data, w->scratch, s->out);
    w->site.bias = &w->plain_bias;
    return bits_use_forward(&w->bias, s->bias->data, (size_t)s->out, w->plain_bias.data);
}

/* Gates are drawn and everything that does not depend on the input is quantised. */
static status begin(struct work *w, struct use *u)
{
    *w = (struct work){.u = u,
                       .o = ((const struct mrun *)u->site->run)->options,
                       .ad = u->site->adapter,
                       .scratch = u->pass->scratch,
                       .pass = bits_pass_of(u)};
    for (int k = 0; k < QUANTISERS; k++) bits_use_begin(&w->q[k], &w->ad->q[k], &w->pass);
    TRY(begin_plain(w));
    return w->ad->a ? begin_update(w) : ST_OK;
}

/* ---- forward ---- */

static status new_matrix(struct arena *arena, int rows, int cols, struct mat *m)
{
    real *a;
    NEW(a, arena, (size_t)rows * (size_t)cols);
    *m = mat_of(a, rows, cols);
    return ST_OK;
}

static size_t size_of(const struct mat *m)
{
    return (size_t)m->rows * (size_t)m->cols;
}

static struct gemm_in operand(const struct mat *m, bool trans)
{
    return (struct gemm_in){.p = m->a, .ld = m->ld, .trans = trans};
}

struct saved {                       /* what the quantisers of activations read */
    struct mat out, base, add, down; /* of Q_OUT, Q_BASE, Q_ADD, Q_QA */
};

/* What the update reads. */
static status dropped(const struct work *w, const struct dropout *drop, const struct mat *x, struct mat *in)
{
    *in = *x;
    if (drop->p <= 0) return ST_OK;
    TRY(new_matrix(w->scratch, x->rows, x->cols, in));
    op_copy(x, in);
    op_dropout(drop, w->u->row_key, in, in);
    return ST_OK;
}

/* From A x to what B multiplies: quantised; times E, or not; quantised. */
struct inner {
    struct mat qa, scaled, qe; /* without E all are one */
};

static status inner_forward(struct work *w, const struct mat *down, struct inner *in)
{
    TRY(new_matrix(w->scratch, down->rows, down->cols, &in->qa));
    TRY(bits_use_forward(&w->q[Q_QA], down->a, size_of(down), in->qa.a));
    in->scaled = in->qe = in->qa;
    if (!w->factor) return ST_OK;
    TRY(new_matrix(w->scratch, down->rows, down->cols, &in->scaled));
    for (int t = 0; t < down->rows; t++)
        for (int i = 0; i < w->r; i++) mat_row(&in->scaled, t)[i] = mat_row(&in->qa, t)[i] * w->factor[i];
    TRY(new_matrix(w->scratch, down->rows, down->cols, &in->qe));
    return bits_use_forward(&w->q[Q_QE], in->scaled.a, size_of(down), in->qe.a);
}

static gemm_fn *multiply(const struct work *w)
{
    return w->u->pass->arith->products->gemm;
}

/* out += the update */
static status update_forward(struct work *w, const struct mat *x, struct arena *keep, struct saved *s, struct mat *out)
{
    const struct site *site = w->u->site;
    const struct dropout drop = use_dropout(w->u, &w->ad->drop);
    const struct mat a = mat_of(w->a, w->r, site->in), b = mat_of(w->b, site->out, w->r);
    struct inner inner;
    struct mat in, late;
    TRY(new_matrix(keep, x->rows, w->r, &s->down));
    TRY(dropped(w, &drop, x, &in));
    multiply(w)(x->rows, w->r, site->in, operand(&in, false), operand(&a, true), s->down.a, w->r, false);
    TRY(inner_forward(w, &s->down, &inner));
    if (!w->scale_late) {
        multiply(w)(x->rows, site->out, w->r, operand(&inner.qe, false), operand(&b, true), out->a, out->ld, true);
        return ST_OK;
    }
    TRY(new_matrix(keep, x->rows, site->out, &s->add));
    multiply(w)(x->rows, site->out, w->r, operand(&inner.qe, false), operand(&b, true), s->add.a, s->add.ld, false);
    TRY(new_matrix(w->scratch, x->rows, site->out, &late));
    TRY(bits_use_forward(&w->q[Q_ADD], s->add.a, size_of(&late), late.a));
    op_scale(&late, w->scale);
    op_add(&late, out);
    return ST_OK;
}

/* The sum before Q_OUT; in y itself when there is no such quantiser. */
static status sum_forward(struct work *w, const struct mat *x, struct arena *keep, struct saved *s, struct mat *y)
{
    s->out = *y;
    if (w->ad->q[Q_OUT].phi) TRY(new_matrix(keep, y->rows, y->cols, &s->out));
    if (w->ad->q[Q_BASE].phi) {
        TRY(new_matrix(keep, y->rows, y->cols, &s->base));
        TRY(base_forward(&w->plain, x, &s->base));
        TRY(bits_use_forward(&w->q[Q_BASE], s->base.a, size_of(&s->base), s->out.a));
    } else {
        TRY(base_forward(&w->plain, x, &s->out));
    }
    return w->ad->a ? update_forward(w, x, keep, s, &s->out) : ST_OK;
}

static status blora_forward(struct use *u, const struct mat *x, struct mat *y)
{
    struct pass *pass = u->pass;
    struct arena *keep = pass->keep ? pass->tape : pass->scratch;
    struct arena_mark mark = arena_mark(pass->scratch);
    struct work w;
    struct saved *s;
    struct mat whole = *y;
    ZNEW(s, keep, 1);
    TRY(begin(&w, u));
    TRY(sum_forward(&w, x, keep, s, y));
    if (w.ad->q[Q_OUT].phi) {
        if (y->ld != y->cols) TRY(new_matrix(pass->scratch, y->rows, y->cols, &whole));
        TRY(bits_use_forward(&w.q[Q_OUT], s->out.a, size_of(y), whole.a));
        if (whole.a != y->a) op_copy(&whole, y);
    }
    arena_reset(pass->scratch, mark);
    u->saved = pass->keep ? s : NULL;
    return ST_OK;
}

/* ---- backward ---- */

/* A gradient of a quantised tensor becomes that of the tensor and is added to its own. */
static void learn_tensor(struct work *w, int k, struct param *p, real *g)
{
    bits_use_backward(&w->q[k], p->data, param_size(p), g);
    struct mat from = mat_of(g, p->rows, p->cols), to = mat_of(p->grad, p->rows, p->cols);
    op_add(&from, &to);
}

/* g [T, r]: gradient of scaled = qa o factor; becomes that of qa. */
static status factor_backward(struct work *w, const struct mat *qa, struct mat *g)
{
    struct adapter *ad = w->ad;
    double *df;
    real *de;
    ZNEW(df, w->scratch, w->r);
    NEW(de, w->scratch, w->r);
    for (int t = 0; t < g->rows; t++)
        for (int i = 0; i < w->r; i++) {
            real *at = mat_row(g, t) + i;
            df[i] += (double)*at * (double)mat_row(qa, t)[i];
            *at *= w->factor[i];
        }
    for (int i = 0; i < w->r; i++) {
        de[i] = (real)(df[i] * (double)w->ranks.rank[i]);
        df[i] *= (double)w->e[i];
    }
    learn_tensor(w, Q_E, ad->e, de);
    ranks_backward(&w->ranks, df);
    return ST_OK;
}

/* up [T, out]: gradient of B a as w->b multiplies it. g [T, r] receives that of A x. */
static status inner_backward(struct work *w, const struct saved *s, const struct mat *up, struct mat *g)
{
    const struct site *site = w->u->site;
    struct mat b = mat_of(w->b, site->out, w->r), db;
    struct inner inner;
    TRY(inner_forward(w, &s->down, &inner));
    TRY(new_matrix(w->scratch, site->out, w->r, &db));
    multiply(w)(site->out, w->r, up->rows, operand(up, true), operand(&inner.qe, false), db.a, db.ld, false);
    if (!w->scale_late) op_scale(&db, w->scale);
    learn_tensor(w, Q_B, w->ad->b, db.a);
    multiply(w)(up->rows, w->r, site->out, operand(up, false), operand(&b, false), g->a, g->ld, false);
    if (w->factor) {
        bits_use_backward(&w->q[Q_QE], inner.scaled.a, size_of(g), g->a);
        TRY(factor_backward(w, &inner.qa, g));
    }
    bits_use_backward(&w->q[Q_QA], s->down.a, size_of(g), g->a);
    return ST_OK;
}

static status update_backward(struct work *w, const struct mat *x, const struct saved *s, const struct mat *dsum,
                              struct mat *dx)
{
    const struct site *site = w->u->site;
    const struct dropout drop = use_dropout(w->u, &w->ad->drop);
    struct mat in, g, da, din, up = *dsum, a = mat_of(w->a, w->r, site->in);
    if (w->scale_late) {
        TRY(new_matrix(w->scratch, dsum->rows, dsum->cols, &up));
        op_copy(dsum, &up);
        op_scale(&up, w->scale);
        bits_use_backward(&w->q[Q_ADD], s->add.a, size_of(&up), up.a);
    }
    TRY(new_matrix(w->scratch, x->rows, w->r, &g));
    TRY(inner_backward(w, s, &up, &g));
    TRY(dropped(w, &drop, x, &in));
    TRY(new_matrix(w->scratch, w->r, site->in, &da));
    multiply(w)(w->r, site->in, x->rows, operand(&g, true), operand(&in, false), da.a, da.ld, false);
    learn_tensor(w, Q_A, w->ad->a, da.a);
    if (!dx) return ST_OK;
    if (drop.p <= 0) {
        multiply(w)(x->rows, site->in, w->r, operand(&g, false), operand(&a, false), dx->a, dx->ld, true);
        return ST_OK;
    }
    TRY(new_matrix(w->scratch, x->rows, site->in, &din));
    multiply(w)(x->rows, site->in, w->r, operand(&g, false), operand(&a, false), din.a, din.ld, false);
    op_dropout(&drop, w->u->row_key, &din, &din);
    op_add(&din, dx);
    return ST_OK;
}

/* The gradient of the quantised weight and bias, one matrix at a time, becomes that of W's gates and range, and of the
 * weight and bias themselves where these are trained. */
static status plain_backward(struct work *w, const struct mat *x, const struct mat *dbase, struct mat *dx)
{
    const struct site *s = w->u->site;
    bool learns = bits_use_learns(&w->q[Q_W]);
    if (learns || param_trained(s->weight)) ZNEW(w->weight.grad, w->scratch, param_size(s->weight));
    if (w->bias.on) ZNEW(w->plain_bias.grad, w->scratch, s->out);
    TRY(base_backward(&w->plain, x, dbase, dx));
    if (w->bias.on) {
        bits_use_backward(&w->bias, s->bias->data, (size_t)s->out, w->plain_bias.grad);
        for (int j = 0; s->bias->grad && j < s->out; j++) s->bias->grad[j] += w->plain_bias.grad[j];
    }
    if (!w->weight.grad) return ST_OK;
    TRY(bits_use_weight_backward(&w->q[Q_W], &w->source, w->weight.grad, w->scratch));
    if (!param_trained(s->weight)) return ST_OK;
    struct mat from = mat_of(w->weight.grad, s->out, s->in), to = mat_of(s->weight->grad, s->out, s->in);
    op_add(&from, &to);
    return ST_OK;
}

static status blora_backward(struct use *u, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    const struct saved *s = u->saved;
    struct arena_mark mark = arena_mark(u->pass->scratch);
    struct work w;
    struct mat d;
    TRY(begin(&w, u));
    TRY(new_matrix(u->pass->scratch, dy->rows, dy->cols, &d));
    op_copy(dy, &d);
    bits_use_backward(&w.q[Q_OUT], s->out.a, size_of(&d), d.a);
    if (w.ad->a) TRY(update_backward(&w, x, s, &d, dx));
    bits_use_backward(&w.q[Q_BASE], s->base.a, size_of(&d), d.a);
    TRY(plain_backward(&w, x, &d, dx));
    arena_reset(u->pass->scratch, mark);
    return ST_OK;
}

/* ---- penalties ---- */

/* MACs a token of the product that an operand goes into; the output counts as the layer itself. */
static double products_of(const struct site *s, const struct adapter *ad, int k)
{
    double rank = ad->a ? ad->a->rows : 0;
    switch (k) {
    case Q_A: return rank * s->in;
    case Q_B:
    case Q_QE: return rank * s->out;
    case Q_E: return rank;
    case Q_QA: return ad->e ? rank : rank * s->out;
    default: return (double)s->in * s->out;
    }
}

static double largest_layer(const struct mrun *run)
{
    double most = 0;
    for (int i = 0; i < run->sites; i++)
        if (run->chosen[i]) most = fmax(most, (double)run->site[i]->in * run->site[i]->out);
    return most;
}

/* R of one quantiser; adds scale times its gradient. */
static double bit_penalty(const struct mrun *run, const struct site *s, int k, double scale)
{
    const struct options *o = run->options;
    const struct adapter *ad = s->adapter;
    const struct param *phi = ad->q[k].phi;
    double weight[BITS_LEVELS], share = products_of(s, ad, k) / largest_layer(run);
    for (int b = 0; b < BITS_LEVELS; b++) weight[b] = o->reg == REG_BOP ? (2 << b) * share : 1;
    return bits_penalty(phi->data, weight, scale, phi->grad);
}

/* Paper: sum over i of the product of the chances up to i. Authors: the mean chance times R of E's quantiser. */
static double rank_penalty(const struct mrun *run, const struct site *s)
{
    const struct options *o = run->options;
    const struct adapter *ad = s->adapter;
    if (o->rank_penalty == RANKS_PAPER) return o->lambda_r * ranks_penalty(ad->xi, o->lambda_r);
    double bits = ad->q[Q_E].phi ? bit_penalty(run, s, Q_E, 0) : 1, mean = ranks_mean(ad->xi, o->lambda_r * bits);
    if (ad->q[Q_E].phi) bit_penalty(run, s, Q_E, o->lambda_r * mean);
    return o->lambda_r * mean * bits;
}

static double site_penalty(const struct mrun *run, const struct site *s)
{
    const struct options *o = run->options;
    const struct adapter *ad = s->adapter;
    double value = 0;
    for (int k = 0; k < QUANTISERS; k++) {
        bool elsewhere = k == Q_E && ad->xi && o->rank_penalty == RANKS_AUTHORS;
        if (ad->q[k].phi && !elsewhere) value += o->lambda_q * bit_penalty(run, s, k, o->lambda_q);
    }
    return ad->xi ? value + rank_penalty(run, s) : value;
}

static status blora_penalty(struct mrun *run, double *value)
{
    *value = 0;
    if (stage_of(run, run->step) != STAGE_LEARN) return ST_OK;
    for (int i = 0; i < run->sites; i++)
        if (run->chosen[i]) *value += site_penalty(run, run->site[i]);
    return ST_OK;
}

/* ---- report ---- */

static double trained_of(const struct param *p)
{
    return p && param_trained(p) ? (double)param_size(p) : 0;
}

/* Deployed: the ranks that survive and a range a quantiser; a gate's phi has become a number of bits. */
static void blora_report(const struct mrun *run, const struct site *site, int variant, struct site_report *out)
{
    const struct adapter *ad = site->adapter;
    (void)run, (void)variant;
    out->rank = out->rank_max = ad->a ? ad->a->rows : 0;
    if (ad->e) out->rank = learned_rank_now(ad->xi);
    out->adapter_macs_per_token = (double)out->rank * (site->in + site->out + (ad->e ? 1 : 0));
    out->deployed = out->adapter_macs_per_token;
    out->trained = trained_of(ad->a) + trained_of(ad->b) + trained_of(ad->e) + trained_of(ad->xi);
    for (int k = 0; k < QUANTISERS; k++) {
        out->trained += trained_of(ad->q[k].phi) + trained_of(ad->q[k].x_max);
        out->deployed += ad->q[k].phi ? 1 : 0;
    }
    out->bits_w = learned_bits_now(&ad->q[Q_W]);
    out->bits_a = learned_bits_now(&ad->q[Q_A]);
    out->bits_b = learned_bits_now(&ad->q[Q_B]);
    out->bits_e = learned_bits_now(&ad->q[Q_E]);
    out->bits_qa = learned_bits_now(&ad->q[Q_QA]);
    out->bits_qe = learned_bits_now(&ad->q[ad->e ? Q_QE : Q_QA]); /* what B multiplies */
    out->bits_out = learned_bits_now(&ad->q[Q_OUT]);
}

/* ---- forecast ---- */

/* AdamW moves a gate by its rate a step at most, so the sum of the rates is how far one can come. */
static void blora_forecast(const struct mrun *run, double (*share)(const void *, uint64_t), const void *ctx,
                           struct forecast *out)
{
    const struct options *o = run->options;
    double travel = 0, needed = 0;
    uint64_t learns = 0;
    for (uint64_t step = 0; step < run->total_steps; step++) {
        if (stage_of(run, step) != STAGE_LEARN) continue;
        travel += o->gate_lr * share(ctx, step);
        learns++;
    }
    if (o->form != FORM_RA) needed = gate_travel(o->phi);
    if (o->form != FORM_Q && o->rank > 1) needed = fmax(needed, gate_travel(o->xi));
    out->warns = travel < needed;
    snprintf(out->text, sizeof out->text,
             "gates learn in %llu of %llu steps and can travel %.2f; to close takes %.2f%s", (unsigned long long)learns,
             (unsigned long long)run->total_steps, travel, needed,
             out->warns ? ": they cannot act. Raise gate_lr or the steps, or start lower (phi, xi)" : "");
}

const struct method method_blora = {
    .name = "blora",
    .summary = "low-rank updates with learned bits and ranks (B-LoRA)",
    .source = "Meo et al. 2024, arXiv 2406.13046, after van Baalen et al. 2020, arXiv 2005.07093; METHODS 3.6",
    .abi = METHOD_ABI,
    .flags = METHOD_OBSERVES,
    .options = options,
    .option_size = sizeof(struct options),
    .site_size = sizeof(struct adapter),
    .setup = blora_setup,
    .attach = blora_attach,
    .step_begin = blora_step_begin,
    .prepare = blora_prepare,
    .site_ops = {.forward = blora_forward, .backward = blora_backward},
    .penalty = blora_penalty,
    .report = blora_report,
    .forecast = blora_forecast,
};
