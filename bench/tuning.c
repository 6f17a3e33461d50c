#include "bench/tuning.h"

#include <math.h>
#include <string.h>
#include "bench/metrics.h"
#include "core/text.h"
#include "results/record_pack.h"

struct chooser {
    struct experiment *e;
    const struct run_list *list;
    struct arena *arena;
    struct tuning *out;
};

static bool concerns(const struct tuning_choice *c, const struct cell *cell)
{
    return cell->tuned && strcmp(cell->row, c->row) == 0 && (!c->task || strcmp(cell->task->name, c->task) == 0);
}

static struct tuning_choice *choice_of(const struct tuning *t, const struct cell *cell)
{
    for (int i = 0; i < t->choices; i++)
        if (concerns(&t->choice[i], cell)) return &t->choice[i];
    return NULL;
}

/* One a tuned row, or a tuned row and task. */
static status list_choices(struct chooser *ch)
{
    const struct experiment *e = ch->e;
    NEW(ch->out->choice, ch->arena, e->tune_cells + 1);
    for (int i = 0; i < e->tune_cells; i++) {
        const struct cell *cell = &e->tune_cell[i];
        if (choice_of(ch->out, cell)) continue;
        ch->out->choice[ch->out->choices++] =
            (struct tuning_choice){.row = cell->row, .task = e->tune_apart ? cell->task->name : NULL};
    }
    return ST_OK;
}

/* ---- scores ---- */

static const struct run *latest_record(const struct run_list *list, const struct cell *c)
{
    const struct run *found = NULL;
    for (int i = 0; i < list->count; i++) {
        const struct run *r = &list->run[i];
        if (strcmp(r->canon, c->canon) != 0 || strcmp(r->model, c->model_label) != 0) continue;
        if (!found || strcmp(r->date, found->date) > 0) found = r;
    }
    return found;
}

/* Above is better, whatever the metric. Of a run with several evaluated forms its best one. */
static double goodness(const struct run *r, enum protocol protocol, double *bops)
{
    char first[64];
    double best = NAN;
    *bops = NAN;
    snprintf(first, sizeof first, "%.*s", (int)strcspn(r->metric, "+"), r->metric);
    const struct metric *m = metric_find(first);
    double sign = m && !m->higher_is_better ? -1 : 1;
    for (int v = 0; v < r->variants; v++)
        if (!(sign * r->variant[v].score[protocol] <= best)) {
            best = sign * r->variant[v].score[protocol];
            *bops = r->variant[v].bops.base.encoder;
        }
    return best;
}

struct trial { /* one value of what is tuned */
    const char *tuned;
    double sum, bops; /* bops: summed share of LoRA of rank 16 on DeBERTaV3-base; NAN: unknown of some run */
    int scored, failed;
};

static struct trial *trial_of(struct trial *t, int *n, const char *tuned)
{
    for (int i = 0; i < *n; i++)
        if (strcmp(t[i].tuned, tuned) == 0) return &t[i];
    t[*n] = (struct trial){.tuned = tuned};
    return &t[(*n)++];
}

/* A metric without a value (constant predictions) is no score, and so no choice. */
static void add_run(struct trial *t, const struct run *r, enum protocol protocol)
{
    double bops = NAN, score = r->state == RUN_OK ? goodness(r, protocol, &bops) : NAN;
    if (isnan(score)) {
        t->failed++;
        return;
    }
    t->sum += score;
    t->bops += bops;
    t->scored++;
}

static double mean_of(const struct trial *t)
{
    return t->failed || t->scored == 0 ? NAN : t->sum / t->scored;
}

static double bops_of(const struct trial *t)
{
    return t->scored ? t->bops / t->scored : NAN;
}

/* ---- choosing ---- */

static const struct trial *best_score(const struct trial *t, int n)
{
    const struct trial *best = NULL;
    for (int i = 0; i < n; i++)
        if (!isnan(mean_of(&t[i])) && (!best || mean_of(&t[i]) > mean_of(best))) best = &t[i];
    return best;
}

/* Of those nearly as good as the best the one with the fewest operations; of equals the better, then the first. */
static const struct trial *fewest_operations(const struct trial *t, int n, const struct trial *top, double margin)
{
    const struct trial *best = top;
    for (int i = 0; i < n; i++) {
        if (!(mean_of(&t[i]) >= mean_of(top) - margin)) continue;
        if (bops_of(&t[i]) < bops_of(best) || (bops_of(&t[i]) == bops_of(best) && mean_of(&t[i]) > mean_of(best)))
            best = &t[i];
    }
    return best;
}

static status describe(const struct chooser *ch, struct tuning_choice *c, const struct trial *t, int n)
{
    struct text text = {0};
    status st = text_printf(&text, "%s, %s: %d values in %d runs, %.0f s:", c->row, c->task ? c->task : "all tasks", n,
                            c->runs, c->seconds);
    for (int i = 0; i < n && st == ST_OK; i++) {
        bool chosen = c->tuned && strcmp(c->tuned, t[i].tuned) == 0;
        double mean = mean_of(&t[i]);
        st = text_printf(&text, "%s %s ", i ? ";" : "", t[i].tuned);
        const char *none = t[i].scored + t[i].failed ? "no score" : "not run";
        if (st == ST_OK) st = isnan(mean) ? text_put(&text, none) : text_printf(&text, "%.4f", mean);
        if (st == ST_OK && ch->e->tune_margin > 0 && !isnan(bops_of(&t[i])))
            st = text_printf(&text, " at %.1f %%", 100 * bops_of(&t[i]));
        if (st == ST_OK && chosen) st = text_put(&text, " (chosen)");
    }
    if (st == ST_OK && !(c->text = arena_strdup(ch->arena, text.s))) st = ST_MEMORY;
    text_free(&text);
    return st;
}

static status choose(const struct chooser *ch, struct tuning_choice *c)
{
    const struct experiment *e = ch->e;
    struct trial *trial;
    NEW(trial, ch->arena, e->tune_cells + 1);
    for (int i = 0; i < e->tune_cells; i++) {
        const struct cell *cell = &e->tune_cell[i];
        if (!concerns(c, cell)) continue;
        const struct run *r = latest_record(ch->list, cell);
        struct trial *t = trial_of(trial, &c->values, cell->tuned);
        c->runs++;
        c->missing += !r;
        if (!r) continue;
        c->seconds += r->seconds;
        add_run(t, r, (enum protocol)cell->train.protocol);
    }
    const struct trial *chosen = c->missing ? NULL : best_score(trial, c->values);
    if (chosen && e->tune_margin > 0) chosen = fewest_operations(trial, c->values, chosen, e->tune_margin);
    if (chosen) c->tuned = chosen->tuned;
    return describe(ch, c, trial, c->values);
}

/* Leaves the chosen cells. */
static void keep_chosen(struct chooser *ch)
{
    struct experiment *e = ch->e;
    int n = 0;
    for (int i = 0; i < e->cells; i++) {
        struct cell *cell = &e->cell[i];
        const struct tuning_choice *c = cell->tuned ? choice_of(ch->out, cell) : NULL;
        if (cell->tuned && (!c || !c->tuned || strcmp(c->tuned, cell->tuned) != 0)) continue;
        if (c) cell->tuning = c->text;
        e->cell[n++] = *cell;
    }
    e->cells = n;
}

status tuning_choose(struct experiment *e, const struct run_list *list, struct arena *arena, struct tuning *out)
{
    struct chooser ch = {e, list, arena, out};
    *out = (struct tuning){0};
    TRY(list_choices(&ch));
    for (int i = 0; i < out->choices; i++) {
        TRY(choose(&ch, &out->choice[i]));
        out->undecided += !out->choice[i].tuned;
    }
    keep_chosen(&ch);
    return ST_OK;
}

status tuning_read(struct experiment *e, struct arena *arena, struct tuning *out)
{
    struct run_list list = {0};
    enum place_kind kind;
    *out = (struct tuning){0};
    if (e->tune_cells == 0) return ST_OK;
    TRY(record_place_kind(e->runs_dir, &kind));
    if (kind != PLACE_NONE) TRY(run_list_read(e->runs_dir, "", 0, arena, &list));
    return tuning_choose(e, &list, arena, out);
}

int tuning_cells_after(const struct experiment *e)
{
    int n = 0;
    for (int i = 0; i < e->cells; i++) {
        const struct cell *c = &e->cell[i];
        bool first = true;
        for (int k = 0; k < i && c->tuned && first; k++)
            first = strcmp(e->cell[k].row, c->row) != 0 || e->cell[k].task != c->task || e->cell[k].seed != c->seed;
        n += first;
    }
    return n;
}
