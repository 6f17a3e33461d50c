/* Rows of a table against a baseline, on the seeds both have: the exact sign-flip test, or with a single seed McNemar's
 * test on the stored predictions. */
#include "bench/table.h"

#include <math.h>
#include <string.h>
#include "bench/cli.h"

const char *table_row_name(const struct table_row *row, struct arena *a)
{
    if (!*row->variant) return row->label;
    const char *name = arena_printf(a, "%s %s", row->label, row->variant);
    return name ? name : row->label;
}

static status find_baseline(struct table *t)
{
    t->baseline = -1;
    if (!*t->spec->baseline) return ST_OK;
    const char **names;
    NEW(names, t->arena, t->rows + 1);
    for (int r = 0; r < t->rows; r++) {
        names[r] = table_row_name(&t->row[r], t->arena);
        if (strcmp(names[r], t->spec->baseline) == 0) t->baseline = r;
    }
    return t->baseline >= 0 ? ST_OK : cli_unknown("", "row", t->spec->baseline, names, t->rows);
}

/* Mean score of the runs of one seed; *i moves behind them. *only: the run, when there is just one. */
static double seed_mean(const struct table_cell *c, int *i, const struct table_point **only)
{
    long long seed = c->point[*i].run->seed;
    double sum = 0;
    int n = 0;
    for (; *i < c->points && c->point[*i].run->seed == seed; ++*i) {
        if (isnan(c->point[*i].score)) continue;
        sum += c->point[*i].score;
        *only = n++ ? NULL : &c->point[*i];
    }
    return n ? sum / n : NAN;
}

static void compare_predictions(struct comparison *v, const struct table_point *x, const struct table_point *y)
{
    if (!x || !y || x->variant->examples != y->variant->examples || x->protocol != y->protocol) return;
    const unsigned char *a = x->variant->right[x->protocol], *b = y->variant->right[y->protocol];
    if (!a || !b) return;
    long only_a = 0, only_b = 0;
    for (int i = 0; i < x->variant->examples; i++) {
        only_a += a[i] && !b[i];
        only_b += b[i] && !a[i];
    }
    v->p = stats_mcnemar(only_a, only_b).p;
    v->mcnemar = 1;
}

struct pairs { /* scores of equal seed: the row's and the baseline's */
    double *x, *y;
    int n;
    const struct table_point *only_x, *only_y; /* of the last pair, when each is a single run */
};

/* Appends the pairs of two cells. */
static void find_pairs(const struct table_cell *c, const struct table_cell *base, struct pairs *p)
{
    for (int i = 0, k = 0; i < c->points && k < base->points;) {
        long long s = c->point[i].run->seed, u = base->point[k].run->seed;
        const struct table_point *px = NULL, *py = NULL;
        double a = s <= u ? seed_mean(c, &i, &px) : NAN, b = u <= s ? seed_mean(base, &k, &py) : NAN;
        if (isnan(a) || isnan(b)) continue;
        p->x[p->n] = a;
        p->y[p->n++] = b;
        p->only_x = px;
        p->only_y = py;
    }
}

static void count_wins(const struct pairs *p, int higher, struct comparison *v)
{
    for (int i = 0; i < p->n; i++) {
        double gain = higher ? p->x[i] - p->y[i] : p->y[i] - p->x[i];
        if (fabs(gain) < 1e-12)
            v->ties++;
        else
            *(gain > 0 ? &v->wins : &v->losses) += 1;
    }
}

static status room_for(struct arena *a, int n, struct pairs *p)
{
    *p = (struct pairs){0};
    NEW(p->x, a, n + 1);
    NEW(p->y, a, n + 1);
    return ST_OK;
}

static status compare_cells(struct table *t, struct table_cell *c, const struct table_cell *base, int higher)
{
    struct pairs p;
    struct comparison *v = &c->versus;
    double *d;
    TRY(room_for(t->arena, c->points, &p));
    find_pairs(c, base, &p);
    if ((v->pairs = p.n) == 0) return ST_OK;
    NEW(d, t->arena, p.n);
    for (int i = 0; i < p.n; i++) d[i] = p.x[i] - p.y[i];
    struct interval interval = stats_interval(d, p.n, 0.95);
    v->difference = interval.mean;
    v->low = interval.low;
    v->high = interval.high;
    count_wins(&p, higher, v);
    if (v->pairs > 1)
        v->p = stats_sign_flip(p.x, p.y, p.n).p;
    else
        compare_predictions(v, p.only_x, p.only_y);
    return ST_OK;
}

/* All columns together. Under the null every pair's sign is as likely either way, whatever its column. */
static status compare_rows(struct table *t, int row)
{
    struct pairs p;
    struct comparison *v = &t->row[row].versus;
    int room = 0;
    for (int c = 0; c < t->cols; c++) room += table_cell_at(t, row, c)->points;
    TRY(room_for(t->arena, room, &p));
    for (int c = 0; c < t->cols; c++) {
        const struct comparison *one = &table_cell_at(t, row, c)->versus;
        v->wins += one->wins;
        v->ties += one->ties;
        v->losses += one->losses;
        find_pairs(table_cell_at(t, row, c), table_cell_at(t, t->baseline, c), &p);
    }
    if (!t->averaged || (v->pairs = p.n) == 0) return ST_OK;
    struct test test = stats_sign_flip(p.x, p.y, p.n);
    v->difference = test.statistic;
    v->p = p.n > 1 ? test.p : NAN;
    return ST_OK;
}

static const struct comparison nothing = {.difference = NAN, .low = NAN, .high = NAN, .p = NAN};

status table_compare(struct table *t)
{
    TRY(find_baseline(t));
    for (int r = 0; r < t->rows; r++) t->row[r].versus = nothing;
    for (int i = 0; i < t->rows * t->cols; i++) t->cell[i].versus = nothing;
    for (int r = 0; r < t->rows && t->baseline >= 0; r++) {
        if (r == t->baseline) continue;
        for (int c = 0; c < t->cols; c++)
            TRY(compare_cells(t, table_cell_at(t, r, c), table_cell_at(t, t->baseline, c), t->col[c].higher));
        TRY(compare_rows(t, r));
    }
    return ST_OK;
}
