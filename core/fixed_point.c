#include "core/fixed_point.h"

#include <float.h>
#include <math.h>
#include "core/parallel.h"
#include "core/row_kernels.h"

#ifdef PG_DOUBLE
enum { LEAST_NORMAL = DBL_MIN_EXP - 1 };
#else
enum { LEAST_NORMAL = FLT_MIN_EXP - 1 }; /* exponent of the smallest normal number */
#endif

struct fixed_scale fixed_scale_of(real largest, int bits)
{
    int exponent;
    if (!isfinite(largest)) return (struct fixed_scale){0, true};
    frexp((double)largest, &exponent);
    exponent--; /* frexp() takes the magnitude from [1/2, 1) */
    if (largest == 0 || exponent < LEAST_NORMAL) return (struct fixed_scale){0, false};
    return (struct fixed_scale){exponent - (bits - 2), false};
}

struct fixed_power fixed_power(struct fixed_scale a, struct fixed_scale b)
{
    int sum = a.exponent + b.exponent;
    if (a.lost || b.lost) return (struct fixed_power){{(real)NAN, (real)NAN}};
    if (sum < 2 * LEAST_NORMAL) sum = 2 * LEAST_NORMAL; /* no integer of 64 bits makes a normal number of it */
    int half = sum / 2;
    return (struct fixed_power){{(real)ldexp(1, half), (real)ldexp(1, sum - half)}};
}

struct fixed_source fixed_matrix(const struct mat *x)
{
    return (struct fixed_source){.p = x->a, .ld = x->ld, .rows = x->rows, .cols = x->cols};
}

struct fixed_source fixed_weight(const struct wsrc *w)
{
    if (w->dense) return (struct fixed_source){.p = w->dense, .ld = w->cols, .rows = w->rows, .cols = w->cols};
    return (struct fixed_source){.w = w, .rows = w->rows, .cols = w->cols};
}

/* ---- both passes over the source --------------------------------------------------------------------------------- */

struct job {
    const struct fixed_source *from;
    const struct row_kernels *kernels;
    int step;      /* rows of a piece */
    real *buffer;  /* [threads, cols], for sources of tiles */
    real *largest; /* [rows], the first pass's */
    const struct fixed_rounding *rounding;
    struct rng_key sub;
    struct fixed_tensor *to;
};

static const real *row_of(const struct job *j, int r, int thread)
{
    const struct fixed_source *s = j->from;
    if (!s->w) return s->p + r * s->ld;
    real *row = j->buffer + (size_t)thread * (size_t)s->cols;
    wsrc_row(s->w, r, row);
    return row;
}

static void measure_rows(void *ctx, int piece, int thread)
{
    const struct job *j = ctx;
    int r0 = piece * j->step, r1 = j->from->rows - r0 < j->step ? j->from->rows : r0 + j->step;
    for (int r = r0; r < r1; r++) j->largest[r] = j->kernels->largest(row_of(j, r, thread), (size_t)j->from->cols);
}

static void map_rows(void *ctx, int piece, int thread)
{
    const struct job *j = ctx;
    struct fixed_tensor *t = j->to;
    int r0 = piece * j->step, r1 = t->rows - r0 < j->step ? t->rows : r0 + j->step;
    struct draw_place draw = {.sub = j->sub, .who = j->rounding->who};
    for (int r = r0; r < r1; r++) {
        int16_t *m = t->m + (size_t)r * (size_t)t->cols;
        const struct fixed_scale s = t->scale[r];
        if (s.lost) {
            for (int c = 0; c < t->cols; c++) m[c] = 0;
            continue;
        }
        struct fixed_power up = fixed_power((struct fixed_scale){-s.exponent, false}, (struct fixed_scale){0, false});
        struct fixed_row row = {{up.factor[0], up.factor[1]}, (real)fixed_limit(t->bits), NULL};
        draw.row_key = (uint32_t)r;
        if (j->rounding->rng) row.draw = &draw;
        j->kernels->fixed(&row, row_of(j, r, thread), t->cols, m);
    }
}

/* The scale of each row's group. */
static void set_scales(const struct job *j, const struct fixed_groups *groups)
{
    int count = groups->count ? groups->count : 1, rows = j->to->rows;
    for (int g = 0; g < count; g++) {
        int r0 = groups->count == 0 ? 0 : groups->first ? groups->first[g] : g;
        int r1 = groups->count == 0 ? rows : groups->first ? groups->first[g + 1] : g + 1;
        real largest = 0;
        for (int r = r0; r < r1 && !isnan(largest); r++)
            if (!(j->largest[r] <= largest)) largest = j->largest[r];
        for (int r = r0; r < r1; r++) j->to->scale[r] = fixed_scale_of(largest, j->to->bits);
    }
}

status fixed_map(const struct fixed_source *from, int bits, const struct fixed_groups *groups,
                 const struct fixed_rounding *rounding, struct arena *arena, struct fixed_tensor *out)
{
    enum { PIECE = 1 << 14 }; /* elements */
    struct job j = {.from = from, .kernels = row_kernels(), .rounding = rounding, .to = out};
    *out = (struct fixed_tensor){.rows = from->rows, .cols = from->cols, .bits = bits};
    NEW(out->m, arena, (size_t)from->rows * (size_t)from->cols);
    NEW(out->scale, arena, from->rows + 1);
    out->scale[0] = (struct fixed_scale){0, false};
    if (from->rows == 0 || from->cols == 0) return ST_OK;
    struct arena_mark mark = arena_mark(arena);
    NEW(j.largest, arena, from->rows);
    if (from->w) NEW(j.buffer, arena, (size_t)parallel_threads() * (size_t)from->cols);
    if (rounding->rng) j.sub = rng_subkey(rounding->rng->seed, RNG_ROUND, rounding->step, rounding->micro);
    j.step = PIECE / from->cols > 1 ? PIECE / from->cols : 1;
    int pieces = (from->rows + j.step - 1) / j.step;
    parallel_for(pieces, measure_rows, &j);
    set_scales(&j, groups);
    parallel_for(pieces, map_rows, &j);
    arena_reset(arena, mark);
    return ST_OK;
}
