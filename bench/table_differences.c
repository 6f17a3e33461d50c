/* The second sheet of a table with a baseline: mean differences, how sure they are, and who won how often. */
#include <math.h>
#include "bench/table.h"

static const char *p_text(struct arena *a, double p)
{
    return p < 0.001 ? "p<.001" : arena_printf(a, "p=%.*f", p < 0.01 ? 4 : 3, p);
}

/* "p=0.250 (M) = n=2": the test, a degenerate run in the pair, another number of pairs than most cells have. */
static status put_tail(const struct table *t, const struct comparison *v, int degenerate, int usual,
                       struct sheet_cell *x)
{
    const char *p = isnan(v->p) ? "" : p_text(t->arena, v->p);
    const char *n = v->pairs == usual ? "" : arena_printf(t->arena, " n=%d", v->pairs);
    if (!p || !n) return ST_MEMORY;
    const char *tail = arena_printf(t->arena, "%s%s%s%s", p, v->mcnemar ? " (M)" : "", degenerate ? " =" : "", n);
    if (!tail) return ST_MEMORY;
    x->tail = *tail ? tail : NULL;
    return ST_OK;
}

static status put_difference(const struct table *t, const struct comparison *v, const struct table_col *k,
                             int degenerate, int usual, struct sheet_cell *x)
{
    x->main = "-";
    if (v->pairs == 0) return ST_OK;
    x->main = arena_printf(t->arena, "%+.*f", table_digits(k), v->difference * k->scale);
    if (!isnan(v->high)) {
        x->spread = arena_printf(t->arena, "%.*f", table_digits(k), 0.5 * (v->high - v->low) * k->scale);
        if (!x->spread) return ST_MEMORY;
    }
    return x->main ? put_tail(t, v, degenerate, usual, x) : ST_MEMORY;
}

static int usual_pairs(const struct table *t)
{
    int most = 0;
    for (int i = 0; i < t->rows * t->cols; i++)
        if (t->cell[i].versus.pairs > most) most = t->cell[i].versus.pairs;
    return most;
}

static int most_pooled(const struct table *t)
{
    int most = 0;
    for (int r = 0; r < t->rows; r++)
        if (t->row[r].versus.pairs > most) most = t->row[r].versus.pairs;
    return most;
}

static int degenerate(const struct table *t, int row, int col)
{
    const struct table_cell *c = table_cell_at(t, row, col);
    return c->versus.pairs && (c->constant || table_cell_at(t, t->baseline, col)->constant);
}

static status put_row(const struct table *t, int r, struct sheet *s)
{
    const struct comparison *all = &t->row[r].versus;
    struct sheet_cell *x = sheet_row(s);
    int usual = usual_pairs(t), c = 0;
    if (!x) return ST_MEMORY;
    x[c++].main = table_row_name(&t->row[r], t->arena);
    for (int k = 0; k < t->cols; k++)
        TRY(put_difference(t, &table_cell_at(t, r, k)->versus, &t->col[k], degenerate(t, r, k), usual, &x[c++]));
    if (t->averaged) TRY(put_difference(t, all, &t->col[0], 0, most_pooled(t), &x[c++]));
    x[c].main = arena_printf(t->arena, "%d-%d-%d", all->wins, all->ties, all->losses);
    return x[c].main ? ST_OK : ST_MEMORY;
}

static void put_heads(const struct table *t, struct sheet *s)
{
    int c = 0;
    s->col[c++] = (struct sheet_col){t->by_row ? "row" : t->spec->rows, NULL, 1};
    for (int k = 0; k < t->cols; k++) s->col[c++] = (struct sheet_col){t->col[k].label, t->col[k].metric, 0};
    if (t->averaged) s->col[c++] = (struct sheet_col){"all", "pairs", 0};
    s->col[c++] = (struct sheet_col){"won-tied-", "lost", 0};
}

static status note_tests(const struct table *t, struct sheet *s)
{
    int pairs = usual_pairs(t), all = most_pooled(t);
    if (pairs > 1)
        TRY(sheet_note(
            s,
            "\xc2\xb1: half the 95 %% confidence interval of the mean difference (Student's t, %d degrees of "
            "freedom).",
            pairs - 1));
    if (pairs > 1 || (t->averaged && all > 1))
        TRY(sheet_note(s, "p: exact sign-flip test over pairs of equal seed, two-sided, not corrected for the number "
                          "of comparisons."));
    if (pairs > 1) TRY(sheet_note(s, "   With %d pairs it cannot be below %.3g.", pairs, stats_sign_flip_floor(pairs)));
    if (t->averaged && all > 1)
        TRY(sheet_note(s, "   All %d pairs of all columns together: not below %.3g.", all, stats_sign_flip_floor(all)));
    return ST_OK;
}

static status note_marks(const struct table *t, struct sheet *s)
{
    int mcnemar = 0, flat = 0;
    for (int r = 0; r < t->rows; r++)
        for (int c = 0; c < t->cols; c++) {
            mcnemar |= table_cell_at(t, r, c)->versus.mcnemar;
            flat |= degenerate(t, r, c);
        }
    if (mcnemar)
        TRY(sheet_note(
            s, "(M): one pair only; McNemar's exact test on its predictions, which knows nothing of other seeds."));
    if (flat) TRY(sheet_note(s, "=  a run of the row or of the baseline predicts the same for every example."));
    return sheet_note(s, "Won-tied-lost: pairs in which the row is better, equal, worse than %s.",
                      table_row_name(&t->row[t->baseline], t->arena));
}

status table_differences(const struct table *t, struct sheet **out)
{
    struct sheet *s;
    const char *title =
        arena_printf(t->arena, "Difference from %s on the same seeds", table_row_name(&t->row[t->baseline], t->arena));
    if (!title) return ST_MEMORY;
    TRY(sheet_make(t->arena, title, 2 + t->cols + t->averaged, &s));
    put_heads(t, s);
    for (int r = 0; r < t->rows; r++)
        if (r != t->baseline) TRY(put_row(t, r, s));
    TRY(note_tests(t, s));
    TRY(note_marks(t, s));
    *out = s;
    return ST_OK;
}
