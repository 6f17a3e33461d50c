#include "core/allocate.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A way from one configuration of a thing to the next better one on its convex hull. */
struct step {
    double size, gain; /* more bits, less loss; both > 0 */
    int thing, order;
};

/* What things t, t+1, ... can do with a given room: all at their smallest, then whole steps in order. */
struct rest {
    double size, loss; /* all at their smallest */
    int steps;         /* sums after each step, sums[0] = 0 */
    double *more, *less;
};

/* A choice for the first things. */
struct state {
    double size, loss;
    int before, choice; /* place among the states of one thing less; the last thing's configuration */
};

struct states {
    struct state *s;
    int n;
};

struct problem {
    int things, choices;
    const double *size, *loss;
    double budget;
    struct rest *rest; /* [things + 1] */
    double best;       /* loss of the best solution known */
    double rounding;   /* what sums of losses may be off */
};

/* ---- the relaxation ---------------------------------------------------------------------------------------------- */

static double size_of(const struct problem *p, int thing, int choice)
{
    return p->size[(size_t)thing * (size_t)p->choices + (size_t)choice];
}

static double loss_of(const struct problem *p, int thing, int choice)
{
    return p->loss[(size_t)thing * (size_t)p->choices + (size_t)choice];
}

/* The next corner of the hull to the right of (size, loss): the steepest way down, of equal ones the longest; -1: none.
 */
static int next_corner(const struct problem *p, int thing, double size, double loss)
{
    int best = -1;
    double steepest = 0;
    for (int j = 0; j < p->choices; j++) {
        double more = size_of(p, thing, j) - size, less = loss - loss_of(p, thing, j);
        if (!(more > 0 && less > 0)) continue;
        double slope = less / more;
        if (slope > steepest || (best >= 0 && slope == steepest && more > size_of(p, thing, best) - size))
            best = j, steepest = slope;
    }
    return best;
}

static int smallest(const struct problem *p, int thing)
{
    int best = 0;
    for (int j = 1; j < p->choices; j++) {
        double size = size_of(p, thing, j), least = size_of(p, thing, best);
        if (size < least || (size == least && loss_of(p, thing, j) < loss_of(p, thing, best))) best = j;
    }
    return best;
}

static int by_efficiency(const void *a, const void *b)
{
    const struct step *x = a, *y = b;
    double left = x->gain * y->size, right = y->gain * x->size;
    if (left != right) return left > right ? -1 : 1;
    if (x->thing != y->thing) return x->thing < y->thing ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

/* All steps of all things; returns their number. */
static int make_steps(const struct problem *p, struct step *step)
{
    int n = 0;
    for (int i = 0; i < p->things; i++) {
        int at = smallest(p, i), next;
        for (int order = 0; (next = next_corner(p, i, size_of(p, i, at), loss_of(p, i, at))) >= 0; order++, at = next)
            step[n++] = (struct step){.size = size_of(p, i, next) - size_of(p, i, at),
                                      .gain = loss_of(p, i, at) - loss_of(p, i, next),
                                      .thing = i,
                                      .order = order};
    }
    qsort(step, (size_t)n, sizeof *step, by_efficiency);
    return n;
}

static status make_rests(struct problem *p, struct arena *scratch)
{
    struct step *step;
    NEW(step, scratch, p->things * p->choices + 1);
    int n = make_steps(p, step);
    ZNEW(p->rest, scratch, p->things + 1);
    for (int t = p->things; t >= 0; t--) {
        struct rest *r = &p->rest[t];
        NEW(r->more, scratch, n + 1);
        NEW(r->less, scratch, n + 1);
        r->more[0] = r->less[0] = 0;
        for (int k = 0; k < n; k++) {
            if (step[k].thing < t) continue;
            r->more[r->steps + 1] = r->more[r->steps] + step[k].size;
            r->less[r->steps + 1] = r->less[r->steps] + step[k].gain;
            r->steps++;
        }
        if (t == p->things) continue;
        int j = smallest(p, t);
        r->size = p->rest[t + 1].size + size_of(p, t, j);
        r->loss = p->rest[t + 1].loss + loss_of(p, t, j);
    }
    return ST_OK;
}

/* The rest's loss within the room: *whole by whole steps, *least with a part of the next one, which no choice is below.
 * False when there is no room for the rest at all. */
static bool within(const struct rest *r, double room, double *whole, double *least)
{
    int low = 0, high = r->steps; /* more[low] fits */
    room -= r->size;
    if (room < 0) return false;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (r->more[middle] <= room)
            low = middle;
        else
            high = middle - 1;
    }
    *whole = *least = r->loss - r->less[low];
    if (low < r->steps)
        *least -= (r->less[low + 1] - r->less[low]) * (room - r->more[low]) / (r->more[low + 1] - r->more[low]);
    return true;
}

/* ---- states ------------------------------------------------------------------------------------------------------ */

static int by_size(const void *a, const void *b)
{
    const struct state *x = a, *y = b;
    if (x->size != y->size) return x->size < y->size ? -1 : 1;
    if (x->loss != y->loss) return x->loss < y->loss ? -1 : 1;
    if (x->before != y->before) return x->before < y->before ? -1 : 1;
    return (x->choice > y->choice) - (x->choice < y->choice);
}

/* Whether a state can still lead to a solution that is not worse than the best known, rounding aside. */
static bool hopeful(const struct problem *p, const struct state *s, int things)
{
    double whole, least;
    if (!within(&p->rest[things], p->budget - s->size, &whole, &least)) return false;
    return s->loss + least <= p->best + p->rounding;
}

/* All states of one thing more, from those of `thing` things. */
static int extend(struct problem *p, int thing, const struct states *from, struct state *to)
{
    int n = 0;
    for (int k = 0; k < from->n; k++)
        for (int j = 0; j < p->choices; j++) {
            struct state s = {.size = from->s[k].size + size_of(p, thing, j),
                              .loss = from->s[k].loss + loss_of(p, thing, j),
                              .before = k,
                              .choice = j};
            double whole, least;
            if (!within(&p->rest[thing + 1], p->budget - s.size, &whole, &least)) continue;
            p->best = fmin(p->best, s.loss + whole);
            to[n++] = s;
        }
    return n;
}

/* Keeps what no other state beats and what is hopeful, by rising size. */
static int thin(const struct problem *p, struct state *s, int n, int things)
{
    int kept = 0;
    double least = INFINITY;
    qsort(s, (size_t)n, sizeof *s, by_size);
    for (int k = 0; k < n; k++) {
        if (!(s[k].loss < least)) continue;
        least = s[k].loss;
        if (hopeful(p, &s[k], things)) s[kept++] = s[k];
    }
    return kept;
}

static status next_states(struct problem *p, int thing, const struct states *from, struct arena *scratch,
                          struct arena *wide, struct states *to)
{
    struct arena_mark mark = arena_mark(wide);
    struct state *all;
    NEW(all, wide, (size_t)from->n * (size_t)p->choices);
    int n = thin(p, all, extend(p, thing, from, all), thing + 1);
    NEW(to->s, scratch, n + 1);
    memcpy(to->s, all, sizeof *all * (size_t)n);
    to->n = n;
    arena_reset(wide, mark);
    return ST_OK;
}

/* The rest's losses are differences of sums, so their rounding is that of the largest: to keep a hopeless state costs
 * time only, to drop a good one would cost the result. */
static double rounding_of(const struct problem *p)
{
    const double relative = 1e-12;
    double sum = 0;
    for (int i = 0; i < p->things; i++) {
        double most = 0;
        for (int j = 0; j < p->choices; j++) most = fmax(most, fabs(loss_of(p, i, j)));
        sum += most;
    }
    return relative * sum;
}

static status solve(struct problem *p, struct arena *scratch, struct arena *wide, int *choice, struct allocation *out)
{
    struct states *stage;
    struct state nothing = {0};
    int best = 0;
    NEW(stage, scratch, p->things + 1);
    stage[0] = (struct states){&nothing, 1};
    for (int t = 0; t < p->things; t++) TRY(next_states(p, t, &stage[t], scratch, wide, &stage[t + 1]));
    const struct states *last = &stage[p->things];
    FAIL_IF(last->n == 0, ST_INTERNAL, "an allocation lost its solution");
    for (int k = 1; k < last->n; k++)
        if (last->s[k].loss < last->s[best].loss) best = k;
    *out = (struct allocation){.loss = last->s[best].loss, .size = last->s[best].size};
    for (int t = p->things; t > 0; t--) {
        choice[t - 1] = stage[t].s[best].choice;
        best = stage[t].s[best].before;
    }
    return ST_OK;
}

status allocate(int things, int choices, const double *size, const double *loss, double budget, struct arena *scratch,
                int *choice, struct allocation *out)
{
    struct problem p = {
        .things = things, .choices = choices, .size = size, .loss = loss, .budget = budget, .best = INFINITY};
    for (int k = 0; k < things * choices; k++)
        FAIL_IF(!(size[k] >= 0) || !isfinite(size[k]) || !isfinite(loss[k]), ST_INTERNAL,
                "an allocation with size %g and loss %g", size[k], loss[k]);
    struct arena_mark mark = arena_mark(scratch);
    p.rounding = rounding_of(&p);
    TRY(make_rests(&p, scratch));
    FAIL_IF(p.rest[0].size > budget, ST_USAGE, "a budget of %.15g cannot be kept: the smallest possible is %.15g",
            budget, p.rest[0].size);
    struct arena *wide = arena_new("partial allocations");
    if (!wide) return ST_MEMORY;
    status st = solve(&p, scratch, wide, choice, out);
    arena_free(wide);
    arena_reset(scratch, mark);
    return st;
}
