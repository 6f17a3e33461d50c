#include "tests/pgtest.h"

#include "tests/method_checks.h"

#include <math.h>
#include <stdarg.h>
#include "core/parallel.h"

/* ---- verdicts ---- */

static const char *broken(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static const char *broken(const char *fmt, ...)
{
    static char sentence[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    return sentence;
}

#define NEED_OK(expr) \
    do { \
        if ((expr) != ST_OK) return broken("%s: %s", #expr, status_message()); \
    } while (0)

/* The first tensor in which two sessions of one method differ; NULL: none. */
enum part { PART_DATA, PART_GRAD };
static const char *difference(const struct session *a, const struct session *b, enum part part)
{
    if (a->reg.count != b->reg.count) return "the number of tensors";
    for (int i = 0; i < a->reg.count; i++) {
        const struct param *p = a->reg.list[i], *q = b->reg.list[i];
        const real *x = part == PART_DATA ? p->data : p->grad, *y = part == PART_DATA ? q->data : q->grad;
        if (!x && !y) continue;
        if (!x || !y || memcmp(x, y, sizeof *x * param_size(p)) != 0) return p->name;
    }
    return NULL;
}

/* ---- bits ---- */

static const char *repeat(struct session *s)
{
    real first[PROBE_EXAMPLES * PROBE_LABELS], again[PROBE_EXAMPLES * PROBE_LABELS];
    for (int training = 0; training < 2; training++) {
        NEED_OK(probe_forward(s, training, true, first));
        NEED_OK(probe_forward(s, training, true, again));
        if (memcmp(first, again, sizeof first) != 0) return "a second forward pass gives other bits";
        NEED_OK(probe_forward(s, training, false, again));
        if (memcmp(first, again, sizeof first) != 0) return "a forward pass that saves nothing gives other bits";
    }
    return NULL;
}

/* Two runs, one in memory that is filled with NaN when taken and when given back. */
static const char *poisoned(const struct probe *p)
{
    struct session clean, dirty;
    NEED_OK(probe_open(p, 0.1, &clean));
    NEED_OK(probe_train(&clean, 0, PROBE_STEPS));
    arena_poison(1);
    NEED_OK(probe_open(p, 0.1, &dirty));
    status st = probe_train(&dirty, 0, PROBE_STEPS);
    arena_poison(0);
    if (st != ST_OK) return broken("with poisoned memory: %s", status_message());
    const char *where = difference(&clean, &dirty, PART_DATA);
    const char *verdict = where ? broken("memory that was given back is read: %s differs", where) : NULL;
    session_close(&clean);
    session_close(&dirty);
    return verdict;
}

const char *check_repeatable(const struct probe *p)
{
    struct session s;
    NEED_OK(probe_open(p, 0.1, &s));
    const char *verdict = repeat(&s);
    session_close(&s);
    return verdict ? verdict : poisoned(p);
}

const char *check_threads(const struct probe *p)
{
    static const int counts[] = {1, 2, 3, 8};
    const char *verdict = NULL;
    struct session one, s;
    double loss;
    int before = parallel_threads();
    parallel_set_threads(counts[0]);
    NEED_OK(probe_open(p, 0.1, &one));
    NEED_OK(probe_train(&one, 0, PROBE_STEPS));
    NEED_OK(probe_gradients(&one, PROBE_STEPS, 1, &loss));
    for (int i = 1; i < 4 && !verdict; i++) {
        parallel_set_threads(counts[i]);
        NEED_OK(probe_open(p, 0.1, &s));
        NEED_OK(probe_train(&s, 0, PROBE_STEPS));
        NEED_OK(probe_gradients(&s, PROBE_STEPS, 1, &loss));
        const char *where = difference(&one, &s, PART_DATA);
        if (!where) where = difference(&one, &s, PART_GRAD);
        if (where) verdict = broken("%d threads give other bits in %s", counts[i], where);
        session_close(&s);
    }
    session_close(&one);
    parallel_set_threads(before);
    return verdict;
}

const char *check_recompute(const struct probe *p)
{
    struct session kept, again;
    double loss;
    NEED_OK(probe_open(p, 0.1, &kept));
    NEED_OK(probe_open(p, 0.1, &again));
    again.model->spec.recompute = true;
    NEED_OK(probe_train(&kept, 0, PROBE_STEPS));
    NEED_OK(probe_train(&again, 0, PROBE_STEPS));
    NEED_OK(probe_gradients(&kept, PROBE_STEPS, 1, &loss));
    NEED_OK(probe_gradients(&again, PROBE_STEPS, 1, &loss));
    const char *where = difference(&kept, &again, PART_DATA);
    if (!where) where = difference(&kept, &again, PART_GRAD);
    const char *verdict = where ? broken("running blocks again in the backward pass changes %s", where) : NULL;
    session_close(&kept);
    session_close(&again);
    return verdict;
}

const char *check_eval_batch(const struct probe *p)
{
    static const int sizes[] = {1, 7, PROBE_EXAMPLES};
    struct arena *arena = arena_new("predictions");
    struct variant v[SESSION_MAX_VARIANTS];
    const char *verdict = NULL;
    struct session s;
    NEED_OK(probe_open(p, 0.1, &s));
    NEED_OK(probe_train(&s, 0, PROBE_STEPS));
    int variants = session_variants(&s, v);
    for (int k = 0; k < variants && !verdict; k++) {
        float *logits[3];
        double loss[3];
        for (int i = 0; i < 3; i++)
            NEED_OK(session_predict(&s, probe_data(), sizes[i], k, arena, &logits[i], &loss[i]));
        for (int i = 1; i < 3; i++)
            if (memcmp(logits[0], logits[i], sizeof(float) * PROBE_EXAMPLES * PROBE_LABELS) != 0 || loss[0] != loss[i])
                verdict = broken("evaluating %d instead of 1 at a time gives other bits", sizes[i]);
    }
    session_close(&s);
    arena_free(arena);
    return verdict;
}

const char *check_eval_neutral(const struct probe *p)
{
    struct arena *arena = arena_new("predictions");
    struct variant v[SESSION_MAX_VARIANTS];
    struct session plain, watched;
    double loss;
    NEED_OK(probe_open(p, 0.1, &plain));
    NEED_OK(probe_train(&plain, 0, 2 * PROBE_STEPS));
    NEED_OK(probe_open(p, 0.1, &watched));
    for (uint64_t step = 0; step < 2 * PROBE_STEPS; step++) {
        float *logits;
        for (int k = 0, n = session_variants(&watched, v); k < n; k++)
            NEED_OK(session_predict(&watched, probe_data(), 8, k, arena, &logits, NULL));
        NEED_OK(probe_step(&watched, step, 1, &loss));
    }
    const char *where = difference(&plain, &watched, PART_DATA);
    const char *verdict = where ? broken("evaluating between steps changes %s", where) : NULL;
    session_close(&plain);
    session_close(&watched);
    arena_free(arena);
    return verdict;
}

/* What a checkpoint would hold: values and moments of every registered tensor but the rebuilt ones. */
static const char *copy_registry(const struct session *from, struct session *to)
{
    if (from->reg.count != to->reg.count) return "a new run registers another number of tensors";
    for (int i = 0; i < from->reg.count; i++) {
        const struct param *p = from->reg.list[i];
        struct param *q = to->reg.list[i];
        size_t bytes = sizeof(real) * param_size(p);
        if (p->cls == P_CONST || !p->data) continue;
        NEED_OK(param_load(&to->reg, q));
        memcpy(q->data, p->data, bytes);
        if (p->m) memcpy(q->m, p->m, bytes);
        if (p->v) memcpy(q->v, p->v, bytes);
        param_touch(q);
    }
    adamw_restored(&to->reg);
    return NULL;
}

const char *check_resume(const struct probe *p)
{
    const struct adamw adamw = {ADAMW_TORCH, 0.9, 0.999, 1e-8, 0.01, 0};
    struct session whole, second;
    NEED_OK(probe_open(p, 0.1, &whole));
    NEED_OK(probe_train(&whole, 0, PROBE_STEPS));
    NEED_OK(probe_open(p, 0.1, &second));
    NEED_OK(adamw_init(&adamw, &second.reg));
    const char *verdict = copy_registry(&whole, &second);
    if (!verdict) {
        NEED_OK(probe_train(&whole, PROBE_STEPS, 2 * PROBE_STEPS));
        NEED_OK(probe_train(&second, PROBE_STEPS, 2 * PROBE_STEPS));
        const char *where = difference(&whole, &second, PART_DATA);
        if (where) verdict = broken("a run continued from its registered tensors differs in %s", where);
    }
    session_close(&whole);
    session_close(&second);
    return verdict;
}

/* ---- gradients ---- */

static double dot(const real *x, const real *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)y[i];
    return sum;
}

const char *check_accumulation(const struct probe *p)
{
    const double tolerance = sizeof(real) == 8 ? 1e-11 : 1e-4;
    const char *verdict = NULL;
    struct session whole, parts;
    double one, four;
    NEED_OK(probe_open(p, 0.1, &whole));
    NEED_OK(probe_open(p, 0.1, &parts));
    NEED_OK(probe_gradients(&whole, 0, 1, &one));
    NEED_OK(probe_gradients(&parts, 0, 4, &four));
    if (fabs(one - four) > tolerance * fabs(one)) verdict = broken("loss %g in one pass, %g in four", one, four);
    double largest = 0;
    for (int i = 0; i < whole.reg.count; i++) {
        const struct param *a = whole.reg.list[i];
        if (a->grad) largest = fmax(largest, sqrt(dot(a->grad, a->grad, param_size(a))));
    }
    for (int i = 0; i < whole.reg.count && !verdict; i++) {
        const struct param *a = whole.reg.list[i], *b = parts.reg.list[i];
        double off = 0;
        if (!a->grad) continue;
        for (size_t k = 0; k < param_size(a); k++) off += pow((double)a->grad[k] - (double)b->grad[k], 2);
        if (!(sqrt(off) <= tolerance * largest))
            verdict = broken("the gradient of %s differs by %g between one pass and four", a->name, sqrt(off));
    }
    session_close(&whole);
    session_close(&parts);
    return verdict;
}

/* The slope of the loss along a random direction of tensor p, from the loss alone. */
static status slope(struct session *s, struct param *p, const real *direction, double h, real *saved, double *out)
{
    size_t n = param_size(p);
    double up, down;
    memcpy(saved, p->data, sizeof *saved * n);
    for (size_t i = 0; i < n; i++) p->data[i] = saved[i] + (real)h * direction[i];
    param_touch(p);
    TRY(probe_loss(s, false, &up));
    for (size_t i = 0; i < n; i++) p->data[i] = saved[i] - (real)h * direction[i];
    param_touch(p);
    TRY(probe_loss(s, false, &down));
    memcpy(p->data, saved, sizeof *saved * n);
    param_touch(p);
    *out = (up - down) / (2 * h);
    return ST_OK;
}

/* Along random directions of unit length the slope is about |g| / sqrt(n): errors are measured against that, so that no
 * part of a tensor's gradient can be wrong unseen. */
static const char *check_tensor(struct session *s, struct param *p, struct arena *arena)
{
    const bool exact = sizeof(real) == 8;
    const double h = exact ? 1e-5 : 1e-2, tolerance = exact ? 1e-6 : 0.1, noise = exact ? 1e-9 : 3e-5;
    size_t n = param_size(p);
    real *direction = arena_alloc(arena, sizeof *direction * n), *saved = arena_alloc(arena, sizeof *saved * n);
    double size = sqrt(dot(p->grad, p->grad, n) / (double)n), numeric;
    for (int trial = 0; trial < (exact ? 3 : 1); trial++) {
        char name[600];
        snprintf(name, sizeof name, "%s/direction %d", p->name, trial);
        rng_fill_normal(&s->rng, name, direction, n, 0, 1 / sqrt((double)n));
        NEED_OK(slope(s, p, direction, h, saved, &numeric));
        double analytic = dot(p->grad, direction, n);
        if (!(fabs(numeric - analytic) <= tolerance * (size + fabs(numeric)) + noise))
            return broken("the gradient of %s: slope %.9g by backward, %.9g by differences", p->name, analytic,
                          numeric);
    }
    return NULL;
}

const char *check_gradients(const struct probe *p)
{
    struct arena *arena = arena_new("directions");
    const char *verdict = NULL;
    struct session s;
    double loss;
    NEED_OK(probe_open(p, 0.1, &s));
    NEED_OK(probe_train(&s, 0, 2)); /* away from special values such as B = 0 */
    param_zero_grads(&s.reg);
    NEED_OK(probe_loss(&s, true, &loss));
    for (int i = 0; i < s.reg.count && !verdict; i++)
        if (param_trained(s.reg.list[i])) verdict = check_tensor(&s, s.reg.list[i], arena);
    session_close(&s);
    arena_free(arena);
    return verdict;
}

/* ---- promises of flags and reports ---- */

static struct probe none_of(const struct probe *p)
{
    return (struct probe){.method = method_find("none"), .model = p->model, .store = p->store};
}

static const char *same_head(const struct session *a, const struct session *b)
{
    for (int i = 0; i < a->reg.count; i++) {
        const struct param *p = a->reg.list[i], *q;
        if (p->cls != P_HEAD) continue;
        q = param_find(&b->reg, p->name);
        if (!q || memcmp(p->data, q->data, sizeof *p->data * param_size(p)) != 0)
            return broken("the head tensor %s starts otherwise than with method none", p->name);
    }
    return NULL;
}

const char *check_identity(const struct probe *p)
{
    const struct probe none = none_of(p);
    real with[PROBE_EXAMPLES * PROBE_LABELS], without[PROBE_EXAMPLES * PROBE_LABELS];
    struct session a, b;
    NEED_OK(probe_open(p, 0.2, &a));
    NEED_OK(probe_open(&none, 0.2, &b));
    const char *verdict = same_head(&b, &a);
    for (int training = 0; training < 2 && !verdict && (p->method->flags & METHOD_IDENTITY_INIT); training++) {
        NEED_OK(probe_forward(&a, training, true, with));
        NEED_OK(probe_forward(&b, training, true, without));
        for (int i = 0; i < PROBE_EXAMPLES * PROBE_LABELS && !verdict; i++)
            if (!(fabs((double)with[i] - (double)without[i]) <= 1e-5))
                verdict = broken("at step 0 the network %s gives %g where the base gives %g",
                                 training ? "in training (dropout)" : "", (double)with[i], (double)without[i]);
    }
    session_close(&a);
    session_close(&b);
    return verdict;
}

const char *check_merge(const struct probe *p)
{
    struct arena *arena = arena_new("predictions");
    struct variant v[SESSION_MAX_VARIANTS];
    const char *verdict = NULL;
    struct session s;
    float *apart, *merged;
    NEED_OK(probe_open(p, 0.1, &s));
    int variants = session_variants(&s, v);
    session_close(&s);
    for (int k = 0; k < variants && !verdict && (p->method->flags & METHOD_MERGEABLE); k++) {
        NEED_OK(probe_open(p, 0.1, &s));
        NEED_OK(probe_train(&s, 0, PROBE_STEPS));
        NEED_OK(session_predict(&s, probe_data(), PROBE_EXAMPLES, k, arena, &apart, NULL));
        NEED_OK(session_merge(&s, k));
        NEED_OK(session_predict(&s, probe_data(), PROBE_EXAMPLES, k, arena, &merged, NULL));
        for (int i = 0; i < PROBE_EXAMPLES * PROBE_LABELS && !verdict; i++)
            if (!(fabsf(apart[i] - merged[i]) <= 2e-4f * (1 + fabsf(apart[i]))))
                verdict = broken("merged weights give %g, base and adapter %g", (double)merged[i], (double)apart[i]);
        session_close(&s);
    }
    arena_free(arena);
    return verdict;
}

const char *check_counts(const struct probe *p)
{
    const char *verdict = NULL;
    double reported = 0;
    struct session s;
    NEED_OK(probe_open(p, 0, &s));
    for (int i = 0; p->method->report && i < s.run.sites; i++) {
        struct site_report r = {0};
        if (!s.run.chosen[i]) continue;
        p->method->report(&s.run, s.run.site[i], 0, &r);
        reported += r.trained;
        if (r.deployed > r.trained) verdict = broken("%s deploys more than is trained", s.run.site[i]->name);
    }
    double held = (double)param_count(&s.reg, P_ADAPTER, true);
    if (p->method->report && reported != held)
        verdict = broken("reports name %g adapter parameters, the registry holds %g", reported, held);
    session_close(&s);
    return verdict;
}

/* Frozen tensors against those of a session that was never trained; trained ones must differ from it. */
static const char *check_moves(const struct session *fresh, const struct session *used)
{
    for (int i = 0; i < used->reg.count; i++) {
        const struct param *p = fresh->reg.list[i], *q = used->reg.list[i];
        size_t bytes = sizeof(real) * param_size(p);
        if (param_trained(q) && memcmp(p->data, q->data, bytes) == 0)
            return broken("%s is trained but never moves", q->name);
        if (param_trained(q) || q->cls == P_STATE) continue;
        const real *x = p->data ? p->data : p->src.dense, *y = q->data ? q->data : q->src.dense;
        if (x && y && memcmp(x, y, bytes) != 0) return broken("%s is frozen and yet changed", q->name);
    }
    return NULL;
}

const char *check_frozen(const struct probe *p)
{
    struct session fresh, used;
    NEED_OK(probe_open(p, 0, &fresh));
    NEED_OK(probe_open(p, 0, &used));
    NEED_OK(probe_train(&used, 0, PROBE_STEPS));
    const char *verdict = check_moves(&fresh, &used);
    session_close(&fresh);
    session_close(&used);
    return verdict;
}

/* ---- options ---- */

/* One option at one value: the run must open and make a step, or refuse with ST_USAGE. */
static const char *try_value(const struct probe *p, const struct option *o, const char *value, bool must_fail)
{
    struct arena *arena = arena_new("an option");
    struct probe with = *p;
    const char *verdict = NULL;
    double loss;
    struct session s;
    void *options = probe_options(p->method);
    status st = option_set(p->method->options, options, o->name, value, "test", arena);
    with.options = options;
    if (must_fail && st != ST_USAGE)
        verdict = broken("option %s = %s is out of range and not refused", o->name, value);
    else if (!must_fail && st != ST_OK)
        verdict = broken("option %s = %s: %s", o->name, value, status_message());
    if (!must_fail && !verdict) {
        st = probe_open(&with, 0.1, &s);
        if (st == ST_OK) {
            st = probe_step(&s, 0, 1, &loss);
            session_close(&s);
        }
        if (st != ST_OK && st != ST_USAGE && st != ST_DIVERGED)
            verdict = broken("with %s = %s: %s", o->name, value, status_message());
    }
    arena_free(arena);
    return verdict;
}

static const char *try_number(const struct probe *p, const struct option *o)
{
    const double value[] = {o->lo, o->hi, o->lo - 1, o->hi + 1};
    const char *verdict = NULL;
    if (o->lo == 0 && o->hi == 0) return NULL;
    for (int i = 0; i < 4 && !verdict; i++) {
        char text[64];
        snprintf(text, sizeof text, o->type == OPT_REAL ? "%.17g" : "%.0f", value[i]);
        verdict = try_value(p, o, text, i >= 2);
    }
    return verdict;
}

static const char *try_words(const struct probe *p, const struct option *o, const char *words)
{
    char copy[512], *rest = NULL;
    const char *verdict = NULL;
    snprintf(copy, sizeof copy, "%s", words);
    for (char *w = strtok_r(copy, "|", &rest); w && !verdict; w = strtok_r(NULL, "|", &rest))
        verdict = try_value(p, o, w, false);
    return verdict ? verdict : try_value(p, o, "no-such-word", true);
}

const char *check_limits(const struct probe *p)
{
    const char *verdict = NULL;
    for (const struct option *o = p->method->options; o && o->name && !verdict; o++) {
        if (o->type == OPT_INT || o->type == OPT_LONG || o->type == OPT_REAL) verdict = try_number(p, o);
        if (o->type == OPT_BOOL || o->type == OPT_FLAG) verdict = try_words(p, o, "yes|no");
        if (o->type == OPT_ENUM) verdict = try_words(p, o, o->choices);
    }
    return verdict;
}

/* ---- memory ---- */

static status short_life(const struct probe *p)
{
    struct arena *arena = arena_new("predictions");
    struct session s;
    float *logits;
    double loss;
    if (!arena) return ST_MEMORY;
    status st = probe_open(p, 0.1, &s);
    if (st == ST_OK) {
        st = probe_step(&s, 0, 2, &loss);
        if (st == ST_OK) st = session_predict(&s, probe_data(), PROBE_EXAMPLES, 0, arena, &logits, &loss);
        session_close(&s);
    }
    arena_free(arena);
    return st;
}

const char *check_memory(const struct probe *p)
{
    const char *verdict = NULL;
    long begin = arena_allocations();
    NEED_OK(short_life(p));
    long count = arena_allocations() - begin;
    /* Every allocation of a short life, but at most so many runs: then every k-th of them. */
    const long most = WATCHES_MEMORY ? 100 : 400;
    long stride = count / most + 1;
    for (long n = 1; n <= count && !verdict; n += stride) {
        arena_fail_after(n);
        status st = short_life(p);
        arena_fail_after(0);
        if (st != ST_MEMORY)
            verdict = broken("allocation %ld of %ld fails and the run says '%s' (%s)", n, count, status_name(st),
                             st == ST_OK ? "" : status_message());
    }
    return verdict;
}

const struct named_check method_checks[] = {
    {"repeatable", check_repeatable, true},
    {"threads", check_threads, true},
    {"recompute", check_recompute, true},
    {"eval batch", check_eval_batch, true},
    {"eval neutral", check_eval_neutral, true},
    {"resume", check_resume, true},
    {"accumulation", check_accumulation, false},
    {"gradients", check_gradients, false},
    {"identity", check_identity, false},
    {"merge", check_merge, false},
    {"counts", check_counts, false},
    {"frozen", check_frozen, true},
    {NULL, NULL, false},
};
const struct named_check limits_check = {"limits", check_limits, false}, memory_check = {"memory", check_memory, true};

/* ---- all methods ---- */

static bool permitted(const struct method *m, const struct store *store)
{
    return !(m->flags & METHOD_PLAIN_STORE) || store == store_find("f32");
}

/* Plain weights go with every network. A store that packs them goes with one network a method, by turns: so every store
 * meets every network, in a third of the time. */
static bool chosen(int method, int store, int model)
{
    return strcmp(store_table[store]->name, "f32") == 0 || model == (method + store) % PROBE_MODELS;
}

static int check_one(const struct named_check *check, const struct probe *p, int *done)
{
    const char *verdict = check->run(p);
    ++*done;
    if (!verdict) return 0;
    printf("%s on %s, store %s, %s: %s: %s\n", p->method->name, probe_model_name(p->model), p->store->name,
           p->arith->name, check->name, verdict);
    return 1;
}

static int check_every_method(const struct named_check *check, int *done)
{
    int failures = 0;
    *done = 0;
    parallel_set_threads(1); /* tiny matrices: threads only wait for each other; check_threads sets its own */
    for (int m = 0; method_table[m]; m++) {
        const struct method *method = method_table[m];
        if (method->unavailable || method->preset_of) continue;
        for (int s = 0; store_table[s]; s++)
            for (int model = 0; model < PROBE_MODELS && permitted(method, store_table[s]); model++) {
                if (!chosen(m, s, model)) continue;
                struct probe p = {method, probe_options(method), (enum probe_model)model, store_table[s], &arith_f32,
                                  NULL};
                failures += check_one(check, &p, done);
                p.arith = &arith_bf16;
                if (check->exact && model == (m + s) % PROBE_MODELS) failures += check_one(check, &p, done);
                p.arith = &arith_dfp;
                if (check->exact && model == (m + s + 1) % PROBE_MODELS) failures += check_one(check, &p, done);
            }
    }
    return failures;
}

void every_method_keeps(const struct named_check *check)
{
    int done, failures = check_every_method(check, &done);
    ck_assert_msg(failures == 0, "%s: %d of %d broken (see above)", check->name, failures, done);
    ck_assert_int_ge(done, 2);
}
