/* The teaching copy: a small method that really works, with every hook a method can have. Copy it, rename `skeleton`,
 * keep the hooks your method needs (all of them may be left out) and delete the comments that teach.
 * docs/ADD_A_METHOD.md walks through it.
 *
 * What it does: each chosen linear layer gets a learned gain and offset an output,
 *
 *     y = (1 + g) o (W0 x + b) + c,        g, c [out], both start at 0,
 *
 * so that step 0 computes what the base computes, and g and c can be merged into W0 and b afterwards. An optional
 * penalty keeps the gains small. */
#include "core/gemm.h"
#include "core/ops.h"
#include "methods/common_options.h"
#include "methods/method.h"

/* ---- options: one struct, one table. The table gives parsing, ranges, defaults, help and the text that is hashed into
 * a run's id. An option named "sites" makes the harness choose sites and call attach for each of them. */
struct options {
    const char *sites;
    double shrink;
};

static const struct option options[] = {
    OPTION_SITES("all", "scaled linear layers"), /* common_options.h has rank, alpha and dropout as well */
    {.name = "shrink",
     .type = OPT_REAL,
     .offset = offsetof(struct options, shrink),
     .lo = 0,
     .hi = 1e3,
     .def = "0",
     .help = "penalty on the gains: shrink * sum of squares / 2"},
    OPT_END,
};

/* ---- memory: one struct a run (mrun.state) and one a site (site.adapter), zeroed, made by the harness. Whatever must
 * survive a checkpoint is a tensor in the registry instead: P_ADAPTER when it is trained, P_STATE when it is not. */
struct state {
    int sites; /* attached so far */
};

struct adapter {
    struct param *gain, *offset;
    real *factor; /* 1 + g of the current pass, made by prepare */
};

/* setup: once, before any site. Check options against each other, thaw base tensors (param_thaw), build shared matrices
 * (P_CONST). Nothing to do here but to show where the run's memory is. */
static status skeleton_setup(struct mrun *run)
{
    struct state *state = run->state;
    state->sites = 0;
    return ST_OK;
}

/* attach: once a chosen site. Registers tensors; names start with the site's. Saving, loading, AdamW, clipping and
 * counting are loops over the registry, so there is no code for them in a method. Initial values come from run->rng and
 * the tensor's name (rng_fill_normal, rng_fill_uniform); param_add gives zeros. w is the dense weight, but only for
 * methods with METHOD_NEEDS_WEIGHT. */
static status skeleton_attach(struct mrun *run, struct site *site, const real *w)
{
    struct state *state = run->state;
    struct adapter *ad = site->adapter;
    (void)w;
    FAIL_IF(site->kind != SITE_LINEAR, ST_USAGE, "skeleton: %s is no linear layer", site->name);
    char *gain = arena_printf(run->arena, "%s.gain", site->name);
    char *offset = arena_printf(run->arena, "%s.offset", site->name);
    if (!gain || !offset) return ST_MEMORY;
    TRY(param_add(run->reg, P_ADAPTER, gain, 1, site->out, site->order, &ad->gain));
    TRY(param_add(run->reg, P_ADAPTER, offset, 1, site->out, site->order, &ad->offset));
    ad->gain->decay = 0; /* multiplier of the run's weight decay; .lr is the same for the rate */
    ad->offset->decay = 0;
    state->sites++;
    return ST_OK;
}

/* step_begin: before each optimiser step, for what is drawn once a step (a rank). Draw with rng_at and friends from
 * (stream, run->step): a pure function, nothing to save. This method draws nothing. */
static status skeleton_step_begin(struct mrun *run)
{
    (void)run;
    return ST_OK;
}

/* prepare: once a pass for each attached site, before its first use: what all uses of the site in this pass share
 * (sampled gates, norms, quantised copies). Memory from pass->tape lives until the backward pass is done. A site may be
 * used several times in one pass, so per-use values belong into use->saved instead. */
static status skeleton_prepare(struct mrun *run, struct site *site, struct pass *pass)
{
    struct adapter *ad = site->adapter;
    (void)run;
    NEW(ad->factor, pass->tape, site->out);
    for (int j = 0; j < site->out; j++) ad->factor[j] = 1 + ad->gain->data[j];
    return ST_OK;
}

/* forward: the method owns the whole layer and calls base_forward itself. y is set. It must be a pure function of
 * parameters, pass and input: no state may change here (but in a PASS_OBSERVE pass). What backward needs goes to the
 * tape, and only when pass->keep says that a backward pass follows. */
static status skeleton_forward(struct use *u, const struct mat *x, struct mat *y)
{
    const struct adapter *ad = u->site->adapter;
    TRY(base_forward(u, x, y));
    if (u->pass->keep) {
        real *kept;
        NEW(kept, u->pass->tape, (size_t)y->rows * (size_t)y->cols);
        struct mat copy = mat_of(kept, y->rows, y->cols);
        op_copy(y, &copy);
        u->saved = kept;
    }
    for (int t = 0; t < y->rows; t++) {
        real *row = mat_row(y, t);
        for (int j = 0; j < y->cols; j++) row[j] = row[j] * ad->factor[j] + ad->offset->data[j];
    }
    return ST_OK;
}

/* backward: dy is given and must not be changed; gradients of tensors are added to (+=), and so is dx, which is NULL
 * when nothing below is trained. base_backward gives dx its part and trained base tensors theirs.
 *     dc = sum dy,   dg = sum dy o (W0 x + b),   what the base gets = dy o (1 + g) */
static status skeleton_backward(struct use *u, const struct mat *x, const struct mat *dy, struct mat *dx)
{
    const struct adapter *ad = u->site->adapter;
    const struct mat kept = mat_of(u->saved, dy->rows, dy->cols);
    struct arena_mark mark = arena_mark(u->pass->scratch);
    real *memory;
    NEW(memory, u->pass->scratch, (size_t)dy->rows * (size_t)dy->cols);
    struct mat work = mat_of(memory, dy->rows, dy->cols);

    bias_backward(dy, ad->offset->grad); /* column sums in an order that no thread count changes */
    for (int t = 0; t < dy->rows; t++)
        for (int j = 0; j < dy->cols; j++) mat_row(&work, t)[j] = mat_row(dy, t)[j] * mat_row(&kept, t)[j];
    bias_backward(&work, ad->gain->grad);
    for (int t = 0; t < dy->rows; t++)
        for (int j = 0; j < dy->cols; j++) mat_row(&work, t)[j] = mat_row(dy, t)[j] * ad->factor[j];
    status st = base_backward(u, x, &work, dx);
    arena_reset(u->pass->scratch, mark);
    return st;
}

/* penalty: after the gradients of a step are complete, before clipping. Adds to gradients and tells its value. */
static status skeleton_penalty(struct mrun *run, double *value)
{
    const struct options *o = run->options;
    double squares = 0;
    for (int i = 0; o->shrink > 0 && i < run->sites; i++) {
        if (!run->chosen[i]) continue;
        const struct param *gain = ((const struct adapter *)run->site[i]->adapter)->gain;
        squares += op_sum_squares(gain->data, param_size(gain));
        for (int j = 0; j < gain->cols; j++) gain->grad[j] += (real)o->shrink * gain->data[j];
    }
    *value = o->shrink * squares / 2;
    return ST_OK;
}

/* step_end: weights are new, the clipped gradients still there: importance sums, pruning, budgets. */
static status skeleton_step_end(struct mrun *run)
{
    (void)run;
    return ST_OK;
}

/* variants: the forms of one run that are evaluated apart (DyLoRA: one a rank; pass->variant tells forward which).
 * Fills at most max of them and returns how many there are. One unnamed form is what a method without this hook has. */
static int skeleton_variants(const struct mrun *run, struct variant *v, int max)
{
    (void)run;
    if (max > 0) v[0] = (struct variant){.name = "", .key = 0};
    return 1;
}

/* report: sizes, ranks and operand bits of one site, for counts, BOPs and traces. The counts of all sites together must
 * equal what the registry holds as P_ADAPTER. */
static void skeleton_report(const struct mrun *run, const struct site *site, int variant, struct site_report *out)
{
    (void)run, (void)variant;
    out->trained = 2.0 * site->out;
    out->deployed = 2.0 * site->out;
    out->adapter_macs_per_token = site->out;
}

/* effective: turns the base weight and bias into the merged ones, for methods with METHOD_MERGEABLE. */
static status skeleton_effective(const struct mrun *run, const struct site *site, int variant, real *w, real *b)
{
    const struct adapter *ad = site->adapter;
    (void)run, (void)variant;
    for (int j = 0; j < site->out; j++) {
        real factor = 1 + ad->gain->data[j];
        for (int i = 0; i < site->in; i++) w[(size_t)j * (size_t)site->in + (size_t)i] *= factor;
        b[j] = b[j] * factor + ad->offset->data[j];
    }
    return ST_OK;
}

/* foreign: reads adapters that other programs wrote: which of our tensors is the one they call `name`? */
static struct param *skeleton_foreign(struct mrun *run, const char *name, bool *transpose)
{
    *transpose = false;
    struct param *p = param_find(run->reg, name);
    return p && p->cls == P_ADAPTER ? p : NULL;
}

/* ---- the row of the method table; the Makefile finds it by the file's name */
const struct method method_skeleton = {
    .name = "skeleton",
    .summary = "a learned gain and offset an output: the teaching copy",
    .source = "docs/ADD_A_METHOD.md",
    .abi = METHOD_ABI,
    .flags = METHOD_HIDDEN | METHOD_MERGEABLE | METHOD_IDENTITY_INIT,
    .options = options,
    .option_size = sizeof(struct options),
    .run_size = sizeof(struct state),
    .site_size = sizeof(struct adapter),
    .setup = skeleton_setup,
    .attach = skeleton_attach,
    .step_begin = skeleton_step_begin,
    .prepare = skeleton_prepare,
    .site_ops = {.forward = skeleton_forward, .backward = skeleton_backward},
    .penalty = skeleton_penalty,
    .step_end = skeleton_step_end,
    .variants = skeleton_variants,
    .report = skeleton_report,
    .effective = skeleton_effective,
    .foreign = skeleton_foreign,
};
