/* How speed is measured.
 *
 * Products: batches of calls until the given time is used, one rate a call. Cells: the real thing, step by step through
 * a session, on the batches a run would draw, in a forked process (it has no threads of its own yet, and its peak
 * memory is nobody else's).
 *
 * Nominal FLOPs of a model: twice the multiply-adds of all linear layers, scores and contexts of its blocks at each
 * sequence's own length. An evaluation does them once; a training step twice when the base is frozen (forward, and the
 * gradient of the input) and three times when the base trains. Adapters and relative-position products come on top and
 * are not counted; rows that the last block of a classifier leaves out are. */
#include "bench/speed.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench/cell_data.h"
#include "bench/trainer.h"
#include "core/gemm.h"
#include "core/progress.h"

enum { MAX_REPEATS = 1000, MIN_REPEATS = 5 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct spread spread_of(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return (struct spread){n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2, v[0], v[n - 1]};
}

/* ---- products ---- */

const struct product_shape speed_shapes[] = {{"roof: a feed-forward layer", 2048, 3072, 768},
                                             {"an attention layer", 2048, 768, 768},
                                             {"back from the feed-forward", 2048, 768, 3072},
                                             {"adapter down, rank 8", 2048, 8, 768},
                                             {"adapter up, rank 8", 2048, 768, 8},
                                             {"one short sequence", 16, 768, 768},
                                             {NULL, 0, 0, 0}};

static struct spread rate_of(const struct product_shape *s, double seconds, const real *a, const real *b, real *c)
{
    double rate[MAX_REPEATS], begin = progress_now();
    struct gemm_in left = {.p = a, .ld = s->k}, right = {.p = b, .ld = s->k, .trans = true};
    int n = 0;
    gemm(s->m, s->n, s->k, left, right, c, s->n, false); /* warm-up */
    while (n < MAX_REPEATS && (n < MIN_REPEATS || progress_now() - begin < seconds)) {
        double start = progress_now();
        gemm(s->m, s->n, s->k, left, right, c, s->n, false);
        rate[n++] = 2e-9 * s->m * s->n * s->k / (progress_now() - start);
    }
    return spread_of(rate, n);
}

status speed_product(const struct product_shape *s, double seconds, struct arena *arena, struct product_speed *out)
{
    real *a, *b, *c;
    size_t na = (size_t)s->m * (size_t)s->k, nb = (size_t)s->n * (size_t)s->k;
    enum gemm_backend before = gemm_backend();
    struct arena_mark mark = arena_mark(arena);
    NEW(a, arena, na);
    NEW(b, arena, nb);
    NEW(c, arena, (size_t)s->m * (size_t)s->n);
    for (size_t i = 0; i < na; i++) a[i] = (real)(i % 101) / 101;
    for (size_t i = 0; i < nb; i++) b[i] = (real)(i % 103) / 103;
    TRY(gemm_select(GEMM_OWN));
    out->own = rate_of(s, seconds, a, b, c);
    TRY(gemm_select(GEMM_OPENBLAS));
    out->openblas = rate_of(s, seconds, a, b, c);
    arena_reset(arena, mark);
    return gemm_select(before);
}

/* ---- cells ---- */

static void add_macs(void *ctx, const struct product *p)
{
    if (p->layer >= 0) *(double *)ctx += p->macs;
}

/* Nominal forward FLOPs a token over examples [0, n) of index. */
static double forward_flops(const struct model *m, const struct tokens *t, const int *index, int n)
{
    double macs = 0, tokens = 0;
    for (int i = 0; i < n; i++) {
        double l = (double)(t->offset[index[i] + 1] - t->offset[index[i]]);
        model_products(m, l, 0, add_macs, &macs);
        tokens += l;
    }
    return 2 * macs / tokens;
}

struct timing {
    const struct cell *cell;
    struct cell_data data;
    struct session session;
    struct arena *arena;
    int warmup, steps, *order;
};

static status time_training(struct timing *w, struct cell_speed *out)
{
    const struct train_options *o = &w->cell->train;
    const struct tokens *t = &w->data.train.tokens;
    const struct adamw adamw = {.form = (enum adamw_form)o->adamw, .beta1 = o->beta1, .beta2 = o->beta2, .eps = o->eps};
    double *rate, tokens = 0, loss, penalty, norm;
    int n = o->batch < t->n ? o->batch : t->n, per_epoch = t->n / n;
    NEW(rate, w->arena, w->steps);
    for (int k = 0; k < w->warmup + w->steps; k++) {
        struct batch batch;
        const int *index = w->order + k % per_epoch * n;
        struct arena_mark mark = arena_mark(w->arena);
        TRY(batch_make(t, index, n, 0, n, w->cell->task->labels == 1, w->arena, &batch));
        double begin = progress_now();
        loss = 0;
        TRY(session_micro(&w->session, &batch, (uint64_t)k, 0, &loss));
        TRY(session_update(&w->session, &adamw, 0, o->clip, (uint64_t)k, &penalty, &norm));
        if (k >= w->warmup) {
            rate[k - w->warmup] = batch.tokens / (progress_now() - begin);
            tokens += batch.tokens;
        }
        for (int i = 0; i < n; i++)
            if (batch.offset[i + 1] - batch.offset[i] > out->longest)
                out->longest = batch.offset[i + 1] - batch.offset[i];
        arena_reset(w->arena, mark);
    }
    double times = w->cell->method->flags & METHOD_TRAINS_BASE ? 3 : 2;
    out->train = spread_of(rate, w->steps);
    out->train_flops = times * forward_flops(w->session.model, t, w->order, n * (w->steps < per_epoch ? w->steps : 1));
    out->tokens_per_step = tokens / w->steps;
    out->steps = w->steps;
    return ST_OK;
}

static status time_evaluation(struct timing *w, struct cell_speed *out)
{
    struct tokens part = w->data.dev[0].tokens; /* a view of its first examples */
    int batch = w->cell->train.eval_batch, *index;
    double *rate, loss;
    float *logits;
    if (part.n > 2 * batch) part.n = 2 * batch;
    NEW(rate, w->arena, w->steps);
    NEW(index, w->arena, part.n);
    for (int i = 0; i < part.n; i++) index[i] = i;
    for (int k = -1; k < w->steps; k++) { /* the first is the warm-up */
        struct arena_mark mark = arena_mark(w->arena);
        double begin = progress_now();
        TRY(session_predict(&w->session, &part, batch, 0, w->arena, &logits, &loss));
        if (k >= 0) rate[k] = (double)part.offset[part.n] / (progress_now() - begin);
        arena_reset(w->arena, mark);
    }
    out->eval = spread_of(rate, w->steps);
    out->eval_flops = forward_flops(w->session.model, &part, index, part.n);
    return ST_OK;
}

static status time_session(struct timing *w, struct cell_speed *out)
{
    const struct tokens *t = &w->data.train.tokens;
    struct rusage use;
    NEW(w->order, w->arena, t->n);
    TRY(batch_order(&w->session.rng, t, 0, w->cell->train.batch, w->cell->train.group_lengths, w->arena, w->order));
    TRY(time_training(w, out));
    FAIL_IF(getrusage(RUSAGE_SELF, &use) != 0, ST_IO, "the system does not tell the memory in use");
    out->peak_bytes = (double)use.ru_maxrss * 1024;
    return time_evaluation(w, out);
}

static status time_cell(struct timing *w, const char *cache_dir, struct cell_speed *out)
{
    status st = cell_data_load(w->cell, cache_dir, w->arena, &w->data);
    if (st == ST_OK) st = cell_session_open(w->cell, w->warmup + w->steps, &w->session);
    if (st == ST_OK) st = time_session(w, out);
    session_close(&w->session);
    cell_data_close(&w->data);
    return st;
}

struct answer { /* what the process sends home */
    status st;
    char message[1024];
    struct cell_speed speed;
};

static void in_child(const struct cell *cell, const char *cache_dir, int warmup, int steps, int fd)
{
    struct answer a = {.st = ST_MEMORY};
    struct timing w = {.cell = cell, .warmup = warmup, .steps = steps, .arena = arena_new("speed")};
    if (w.arena) a.st = time_cell(&w, cache_dir, &a.speed);
    if (a.st != ST_OK) snprintf(a.message, sizeof a.message, "%s", status_message());
    ssize_t sent = write(fd, &a, sizeof a); /* smaller than a pipe's atomic write */
    _exit(sent == sizeof a ? 0 : 1);
}

status speed_cell(const struct cell *cell, const char *cache_dir, int warmup, int steps, struct cell_speed *out)
{
    struct answer a = {.st = ST_OK};
    int ends[2], ignored;
    FAIL_IF(pipe(ends) != 0, ST_IO, "bench: no pipe: %m");
    fflush(NULL); /* or the child would write it again */
    pid_t pid = fork();
    if (pid == 0) in_child(cell, cache_dir, warmup, steps, ends[1]);
    close(ends[1]);
    ssize_t got = pid > 0 ? read(ends[0], &a, sizeof a) : -1;
    close(ends[0]);
    FAIL_IF(pid < 0, ST_IO, "bench: no process for %s: %m", cell->label);
    waitpid(pid, &ignored, 0);
    FAIL_IF(got != sizeof a, ST_INTERNAL, "%s: its process ended without an answer", cell->label);
    FAIL_IF(a.st != ST_OK, a.st, "%s: %s", cell->label, a.message);
    *out = a.speed;
    return ST_OK;
}
