#include "bench/grid_eta.h"

#include <string.h>
#include "bench/grid_child.h"
#include "core/lap.h"
#include "core/progress.h"

status grid_eta_init(struct grid_eta *t, const struct experiment *e, const int *index, int count, struct arena *arena)
{
    *t = (struct grid_eta){.count = count};
    NEW(t->pair, arena, count + 1);
    NEW(t->task, arena, count + 1);
    ZNEW(t->pair_mean, arena, count + 1);
    ZNEW(t->task_mean, arena, count + 1);
    ZNEW(t->over, arena, count + 1);
    for (int i = 0; i < count; i++) {
        const struct cell *c = &e->cell[index[i]];
        t->pair[i] = t->task[i] = i;
        for (int k = i - 1; k >= 0; k--) { /* the nearest earlier cell of the group knows the group's first one */
            const struct cell *d = &e->cell[index[k]];
            if (d->task != c->task) continue;
            if (t->task[i] == i) t->task[i] = t->task[k];
            if (strcmp(d->row, c->row) != 0) continue;
            t->pair[i] = t->pair[k];
            break;
        }
    }
    return ST_OK;
}

void grid_eta_skip(struct grid_eta *t, int cell)
{
    t->over[cell] = 1;
}

static void add(struct eta_mean *m, double seconds)
{
    m->seconds += seconds;
    m->n++;
}

void grid_eta_end(struct grid_eta *t, int cell, double seconds)
{
    t->over[cell] = 1;
    add(&t->pair_mean[t->pair[cell]], seconds);
    add(&t->task_mean[t->task[cell]], seconds);
    add(&t->all, seconds);
}

/* Whole duration of a running cell, from how far it is; negative: too early to tell. */
static double duration(const struct child *c)
{
    double elapsed = clock_seconds() - c->started;
    double rest = c->last.total > 0 ? progress_eta((double)c->last.done, (double)c->last.total, elapsed) : -1;
    return rest < 0 ? -1 : elapsed + rest;
}

static double expected(const struct grid_eta *t, int cell, struct eta_mean running)
{
    const struct eta_mean *m[] = {&t->pair_mean[t->pair[cell]], &t->task_mean[t->task[cell]], &t->all, &running};
    for (int i = 0; i < 4; i++)
        if (m[i]->n) return m[i]->seconds / m[i]->n;
    return -1;
}

double grid_eta_left(const struct grid_eta *t, const struct child *child, int jobs)
{
    struct eta_mean running = {0};
    double left = 0;
    int busy = 0;
    for (int k = 0; k < jobs; k++)
        if (child[k].pid && duration(&child[k]) > 0) add(&running, duration(&child[k]));
    for (int i = 0; i < t->count; i++) {
        const struct child *c = NULL;
        for (int k = 0; k < jobs && !t->over[i] && !c; k++)
            if (child[k].pid && child[k].cell == i) c = &child[k];
        if (t->over[i]) continue;
        double whole = c && duration(c) > 0 ? duration(c) : expected(t, i, running);
        if (whole < 0) return -1;
        double rest = c ? whole - (clock_seconds() - c->started) : whole;
        left += rest > 0 ? rest : 0;
        busy++;
    }
    return busy ? left / (busy < jobs ? busy : jobs) : 0;
}
