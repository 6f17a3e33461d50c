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

static void compare_predictions(struct table_cell *c, const struct table_point *x, const struct table_point *y)
{
    if (!x || !y || x->variant->examples != y->variant->examples || x->protocol != y->protocol) return;
    const unsigned char *a = x->variant->right[x->protocol], *b = y->variant->right[y->protocol];
    if (!a || !b) return;
    long only_a = 0, only_b = 0;
    for (int i = 0; i < x->variant->examples; i++) {
        only_a += a[i] && !b[i];
        only_b += b[i] && !a[i];
    }
    c->p = stats_mcnemar(only_a, only_b).p;
    c->mcnemar = 1;
}

static status compare_cells(struct table *t, struct table_cell *c, const struct table_cell *base)
{
    double *x, *y;
    const struct table_point *only_x = NULL, *only_y = NULL;
    NEW(x, t->arena, c->points + 1);
    NEW(y, t->arena, c->points + 1);
    for (int i = 0, k = 0; i < c->points && k < base->points;) {
        long long s = c->point[i].run->seed, u = base->point[k].run->seed;
        const struct table_point *px = NULL, *py = NULL;
        double a = s <= u ? seed_mean(c, &i, &px) : NAN, b = u <= s ? seed_mean(base, &k, &py) : NAN;
        if (isnan(a) || isnan(b)) continue;
        x[c->pairs] = a;
        y[c->pairs++] = b;
        only_x = px;
        only_y = py;
    }
    if (c->pairs == 0) return ST_OK;
    struct test test = stats_sign_flip(x, y, c->pairs);
    c->difference = test.statistic;
    if (c->pairs > 1)
        c->p = test.p;
    else
        compare_predictions(c, only_x, only_y);
    return ST_OK;
}

status table_compare(struct table *t)
{
    TRY(find_baseline(t));
    for (int r = 0; r < t->rows && t->baseline >= 0; r++)
        for (int c = 0; c < t->cols && r != t->baseline; c++)
            TRY(compare_cells(t, table_cell_at(t, r, c), table_cell_at(t, t->baseline, c)));
    return ST_OK;
}
