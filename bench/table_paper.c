/* Tables 1 and 2, and what all tables share. See table_paper.h. */
#include "bench/table_paper.h"

#include <math.h>
#include <string.h>
#include "bench/experiment.h"
#include "bench/paths.h"
#include "bench/stats.h"
#include "bench/table.h"
#include "core/text.h"
#include "results/record_pack.h"

/* ---- shared ---- */

status paper_sheet(struct paper *p, const char *title, const char *const *heads, int cols, int left)
{
    TRY(sheet_make(p->arena, title, cols, &p->sheet));
    for (int c = 0; c < cols; c++) p->sheet->col[c] = (struct sheet_col){heads[c], NULL, c < left};
    return ST_OK;
}

/* "a", "b", ...: marks go by order of appearance. */
static const char *mark_of(struct paper *p, int note)
{
    int k = 0;
    while (k < p->notes_marked && p->noted[k] != note) k++;
    if (k == p->notes_marked) p->noted[p->notes_marked++] = note;
    return arena_printf(p->arena, "[%c]", 'a' + k % 26);
}

static bool note_is(const struct paper *p, int note, const char *row, const char *column)
{
    const struct published *n = &p->notes;
    return published_number(published_at(n, note, published_column(n, "table"))) == p->number &&
           strcmp(published_at(n, note, published_column(n, "row")), row) == 0 &&
           strcmp(published_at(n, note, published_column(n, "column")), column) == 0;
}

status paper_put(struct paper *p, const char *row, const char *column, const char *field, struct sheet_cell *x)
{
    if (*field) x->main = field;
    for (int i = 0; i < p->notes.rows; i++) {
        if (!note_is(p, i, row, column)) continue;
        const char *mark = mark_of(p, i);
        if (!mark) return ST_MEMORY;
        x->tail = mark;
        if (strcmp(column, "method") != 0) continue;
        x->tail = NULL; /* a name, aligned left: the mark is part of it */
        if (!(x->main = arena_printf(p->arena, "%s %s", field, mark))) return ST_MEMORY;
    }
    return ST_OK;
}

status paper_footnotes(struct paper *p)
{
    int text = published_column(&p->notes, "note");
    for (int i = 0; i < p->notes_marked; i++)
        TRY(sheet_note(p->sheet, "[%c] %s", 'a' + i % 26, published_at(&p->notes, p->noted[i], text)));
    return ST_OK;
}

static bool has_row(const struct paper *p, const char *row)
{
    for (int i = 0; i < p->runs.count; i++)
        if (strcmp(p->runs.run[i].row, row) == 0) return true;
    return false;
}

const char *paper_row(const struct paper *p, const char *alternatives)
{
    char **word;
    int n;
    if (text_split(alternatives, '|', p->arena, &word, &n) != ST_OK) return NULL;
    for (int i = 0; i < n; i++)
        if (has_row(p, word[i])) return word[i];
    return NULL;
}

/* ---- measuring ---- */

struct measured {
    double mean, sd; /* NAN: none */
    int n;
};

/* One number a run. */
typedef double number_fn(const struct run *, const struct run_variant *, enum protocol, const void *ctx);

static double score_of(const struct run *r, const struct run_variant *v, enum protocol p, const void *ctx)
{
    (void)ctx;
    return r->lacks_metric ? NAN : v->score[p];
}

static status measure(const struct paper *p, const struct material *m, const char *row, const char *variant,
                      const char *task, number_fn *number, const void *ctx, struct measured *out)
{
    double *x;
    *out = (struct measured){NAN, NAN, 0};
    NEW(x, p->arena, m->count + 1);
    for (int i = 0; i < m->count; i++) {
        const struct run *r = &m->run[i];
        if (r->state != RUN_OK || strcmp(r->row, row) != 0 || (task && strcmp(r->task, task) != 0)) continue;
        enum protocol protocol = p->protocol < 0 ? r->protocol : (enum protocol)p->protocol;
        for (int v = 0; v < r->variants; v++) {
            if (strcmp(r->variant[v].name, variant) != 0) continue;
            double value = number(r, &r->variant[v], protocol, ctx);
            if (!isnan(value)) x[out->n++] = value;
        }
    }
    out->mean = stats_mean(x, out->n);
    out->sd = stats_sd(x, out->n);
    return ST_OK;
}

/* Of a run with several evaluated forms the one with the best mean score; *several says so. */
static status best_variant(const struct paper *p, const char *row, const char **best, bool *several)
{
    double top = NAN;
    *best = "";
    *several = false;
    for (int i = 0; i < p->runs.count; i++) {
        const struct run *r = &p->runs.run[i];
        if (r->state != RUN_OK || strcmp(r->row, row) != 0) continue;
        *several = r->variants > 1;
        for (int v = 0; v < r->variants; v++) {
            struct measured m;
            TRY(measure(p, &p->runs, row, r->variant[v].name, NULL, score_of, NULL, &m));
            if (isnan(m.mean) || m.mean <= top) continue;
            top = m.mean;
            *best = r->variant[v].name;
        }
        return ST_OK;
    }
    return ST_OK;
}

static status put_measured(const struct paper *p, const struct measured *m, double scale, struct sheet_cell *x)
{
    x->main = m->n ? arena_printf(p->arena, "%.2f", m->mean * scale) : "-";
    if (m->n > 1) x->spread = arena_printf(p->arena, "%.2f", m->sd * scale);
    return x->main && (m->n < 2 || x->spread) ? ST_OK : ST_MEMORY;
}

static status put_difference(const struct paper *p, const struct measured *m, double scale, const char *field,
                             struct sheet_cell *x)
{
    double published = published_number(field);
    if (m->n == 0 || isnan(published)) return ST_OK;
    return (x->main = arena_printf(p->arena, "%+.2f", m->mean * scale - published)) ? ST_OK : ST_MEMORY;
}

/* The one model of all runs, "several models" otherwise. */
static const char *model_of(const struct paper *p)
{
    for (int i = 1; i < p->runs.count; i++)
        if (strcmp(p->runs.run[i].model, p->runs.run[0].model) != 0) return "several models";
    return p->runs.count ? p->runs.run[0].model : "no model";
}

static status note_source(struct paper *p)
{
    const char *model = model_of(p);
    TRY(sheet_note(p->sheet, "Measured: %s, model %s.", p->runs.title, model));
    for (const char *const *n = p->runs.note; *n; n++) TRY(sheet_note(p->sheet, "%s", *n));
    const char *slash = strrchr(model, '/');
    if (strcmp(slash ? slash + 1 : model, "deberta-v3-base") == 0) return ST_OK;
    return sheet_note(p->sheet,
                      "The published numbers are DeBERTaV3-base's: a difference is also one between networks.");
}

/* ---- table 1 ---- */

struct column {
    const char *name; /* of the published table */
    const char *task;
    bool f1;
};
static const struct column columns[] = {{"mnli", "mnli", false},   {"sst2", "sst2", false}, {"cola", "cola", false},
                                        {"qqp_acc", "qqp", false}, {"qqp_f1", "qqp", true}, {"qnli", "qnli", false},
                                        {"rte", "rte", false},     {"mrpc", "mrpc", false}, {"stsb", "stsb", false}};
enum { COLUMNS = sizeof columns / sizeof columns[0], FIRST = 4 };
enum { COL_METHOD, COL_SOURCE, COL_PARAMS, COL_BOPS };

static double adapter_of(const struct run *r, const struct run_variant *v, enum protocol p, const void *ctx)
{
    (void)v, (void)p, (void)ctx;
    return r->adapter;
}

static double base_encoder(const struct run *r, const struct run_variant *v, enum protocol p, const void *ctx)
{
    (void)r, (void)p, (void)ctx;
    return v->bops.base.encoder;
}

struct measured_row { /* of one row of the experiment */
    const char *row, *variant;
    bool several;
    struct measured params, bops, score[COLUMNS];
};

static status measure_row(const struct paper *p, const char *row, struct measured_row *m)
{
    m->row = row;
    TRY(best_variant(p, row, &m->variant, &m->several));
    TRY(measure(p, &p->runs, row, m->variant, NULL, adapter_of, NULL, &m->params));
    TRY(measure(p, &p->runs, row, m->variant, NULL, base_encoder, NULL, &m->bops));
    for (int c = 0; c < COLUMNS; c++)
        TRY(measure(p, columns[c].f1 ? &p->f1 : &p->runs, row, m->variant, columns[c].task, score_of, NULL,
                    &m->score[c]));
    return ST_OK;
}

static status put_measured_row(struct paper *p, const struct measured_row *m, const char *label)
{
    struct sheet_cell *x = sheet_row(p->sheet);
    if (!x) return ST_MEMORY;
    x[COL_METHOD].main = label;
    x[COL_SOURCE].main = m->several ? arena_printf(p->arena, "measured (%s)", m->variant) : "measured";
    x[COL_PARAMS].main = m->params.n ? table_count(p->arena, m->params.mean) : "-";
    x[COL_BOPS].main = m->bops.n ? arena_printf(p->arena, "%.2f", 100 * m->bops.mean) : "-";
    if (!x[COL_SOURCE].main || !x[COL_PARAMS].main || !x[COL_BOPS].main) return ST_MEMORY;
    for (int c = 0; c < COLUMNS; c++) TRY(put_measured(p, &m->score[c], 100, &x[FIRST + c]));
    return ST_OK;
}

static status put_published_row(struct paper *p, int row)
{
    const struct published *t = &p->table;
    const char *method = published_at(t, row, 0);
    struct sheet_cell *x = sheet_row(p->sheet);
    if (!x) return ST_MEMORY;
    TRY(paper_put(p, method, "method", method, &x[COL_METHOD]));
    x[COL_SOURCE].main = "published";
    TRY(paper_put(p, method, "params", published_at(t, row, published_column(t, "params")), &x[COL_PARAMS]));
    TRY(paper_put(p, method, "bops", published_at(t, row, published_column(t, "bops")), &x[COL_BOPS]));
    for (int c = 0; c < COLUMNS; c++)
        TRY(paper_put(p, method, columns[c].name, published_at(t, row, published_column(t, columns[c].name)),
                      &x[FIRST + c]));
    return ST_OK;
}

static status put_differences(struct paper *p, int row, const struct measured_row *m)
{
    const struct published *t = &p->table;
    struct sheet_cell *x = sheet_row(p->sheet);
    if (!x) return ST_MEMORY;
    x[COL_SOURCE].main = "difference";
    TRY(put_difference(p, &m->bops, 100, published_at(t, row, published_column(t, "bops")), &x[COL_BOPS]));
    for (int c = 0; c < COLUMNS; c++)
        TRY(put_difference(p, &m->score[c], 100, published_at(t, row, published_column(t, columns[c].name)),
                           &x[FIRST + c]));
    return ST_OK;
}

static status put_row(struct paper *p, int row)
{
    struct measured_row m;
    const char *own = paper_row(p, published_at(&p->table, row, published_column(&p->table, "rows")));
    TRY(put_published_row(p, row));
    if (!own) return ST_OK;
    TRY(measure_row(p, own, &m));
    TRY(put_measured_row(p, &m, own));
    return m.params.n ? put_differences(p, row, &m) : ST_OK;
}

/* Whether a row of the experiment stands beside a published one. */
static bool is_published(const struct paper *p, const char *row)
{
    int rows = published_column(&p->table, "rows");
    for (int r = 0; r < p->table.rows; r++) {
        const char *own = paper_row(p, published_at(&p->table, r, rows));
        if (own && strcmp(own, row) == 0) return true;
    }
    return false;
}

static status put_other_rows(struct paper *p)
{
    for (int i = 0; i < p->runs.count; i++) {
        const char *row = p->runs.run[i].row;
        struct measured_row m;
        bool before = is_published(p, row);
        for (int k = 0; k < i && !before; k++) before = strcmp(p->runs.run[k].row, row) == 0;
        if (before) continue;
        TRY(measure_row(p, row, &m));
        TRY(put_measured_row(p, &m, row));
    }
    return ST_OK;
}

status paper_results(struct paper *p)
{
    static const char *const heads[] = {"method",  "",       "params", "BOPs %", "MNLI", "SST-2", "CoLA",
                                        "QQP acc", "QQP F1", "QNLI",   "RTE",    "MRPC", "STS-B"};
    TRY(paper_sheet(p, "Table 1 of the B-LoRA paper: GLUE dev sets", heads, FIRST + COLUMNS, 2));
    for (int r = 0; r < p->table.rows; r++) TRY(put_row(p, r));
    TRY(put_other_rows(p));
    TRY(note_source(p));
    TRY(sheet_note(
        p->sheet, "Scores x 100, mean \xc2\xb1 standard deviation over seeds; MNLI: mean of both sets; CoLA: Matthews; "
                  "MRPC: accuracy; STS-B: mean of Pearson and Spearman."));
    TRY(sheet_note(p->sheet,
                   "Params: trained ones without the head. Measured BOPs: ranks and bits at the end, carried to "
                   "DeBERTaV3-base at 20 tokens and 512 table rows, over LoRA of rank 16 there; adapters where they "
                   "were trained."));
    TRY(sheet_note(p->sheet, "Of runs with several evaluated ranks the one with the best mean score."));
    return paper_footnotes(p);
}

/* ---- table 2 ---- */

struct scope {
    bool attention, own;
};

static double share_of(const struct run *r, const struct run_variant *v, enum protocol p, const void *ctx)
{
    const struct scope *s = ctx;
    (void)r, (void)p;
    if (s->own) return s->attention ? v->bops.own.attention : v->bops.own.encoder;
    return s->attention ? v->bops.base.attention : v->bops.base.encoder;
}

enum { TASKS = 8, TASK_FIRST = 2 }; /* columns of the published table before the tasks: scope, method */

static status put_shares(struct paper *p, int row, const char *own, const struct scope *scope, const char *label,
                         bool difference)
{
    const struct published *t = &p->table;
    struct sheet_cell *x = sheet_row(p->sheet);
    if (!x) return ST_MEMORY;
    x[2].main = label;
    for (int c = 0; c < TASKS; c++) {
        struct measured m;
        TRY(measure(p, &p->runs, own, "", t->name[TASK_FIRST + c], share_of, scope, &m));
        if (difference)
            TRY(put_difference(p, &m, 100, published_at(t, row, TASK_FIRST + c), &x[3 + c]));
        else
            TRY(put_measured(p, &m, 100, &x[3 + c]));
    }
    return ST_OK;
}

static status put_operations(struct paper *p, int row)
{
    const struct published *t = &p->table;
    const char *scope_name = published_at(t, row, 0), *method = published_at(t, row, 1);
    struct scope scope = {.attention = strcmp(scope_name, "attention") == 0};
    struct sheet_cell *x = sheet_row(p->sheet);
    if (!x) return ST_MEMORY;
    x[0].main = scope_name;
    TRY(paper_put(p, method, "method", method, &x[1]));
    x[2].main = "published";
    for (int c = 0; c < TASKS; c++)
        TRY(paper_put(p, scope.attention ? "" : method, t->name[TASK_FIRST + c], published_at(t, row, TASK_FIRST + c),
                      &x[3 + c]));
    const char *own = paper_row(p, published_at(t, row, published_column(t, "rows")));
    struct measured any;
    if (own) TRY(measure(p, &p->runs, own, "", NULL, share_of, &scope, &any));
    if (!own || any.n == 0) return ST_OK;
    TRY(put_shares(p, row, own, &scope, "measured", false));
    TRY(put_shares(p, row, own, &scope, "difference", true));
    scope.own = true;
    return put_shares(p, row, own, &scope, "of own at 32 bits", false);
}

status paper_operations(struct paper *p)
{
    static const char *const heads[] = {"scope", "method", "",    "MNLI", "SST-2", "CoLA",
                                        "QQP",   "QNLI",   "RTE", "MRPC", "STS-B"};
    TRY(paper_sheet(p, "Table 2 of the B-LoRA paper: bit operations, % of LoRA of rank 16", heads, 3 + TASKS, 3));
    for (int r = 0; r < p->table.rows; r++) TRY(put_operations(p, r));
    TRY(note_source(p));
    TRY(sheet_note(
        p->sheet, "Measured: ranks and bits at the end on DeBERTaV3-base's shape at 20 tokens and 512 table rows, the "
                  "setting the published numbers fit (`peftgrid bops --derive`); mean \xc2\xb1 standard deviation over "
                  "seeds."));
    TRY(sheet_note(
        p->sheet,
        "Of own at 32 bits: over the same adapters at full rank and 32 bits, which the published rows (q) fit."));
    return paper_footnotes(p);
}

/* ---- any table ---- */

static status has_task(const struct paper *p, const char *task, bool *yes)
{
    *yes = false;
    for (int i = 0; i < p->runs.count; i++) *yes |= strcmp(p->runs.run[i].task, task) == 0;
    return ST_OK;
}

/* Settings are known without a record. */
static status gather_cells(const char *where, struct paper *p)
{
    struct experiment e;
    const char *path;
    TRY(experiment_find(where, p->arena, &path));
    TRY(experiment_read(path, p->arena, &e));
    NEW(p->runs.run, p->arena, e.cells + 1);
    for (int i = 0; i < e.cells; i++)
        p->runs.run[p->runs.count++] = (struct run){.state = RUN_MISSING,
                                                    .row = e.cell[i].row,
                                                    .task = e.cell[i].task->name,
                                                    .model = e.cell[i].model_label,
                                                    .canon = e.cell[i].canon};
    p->runs.title = *e.description ? arena_printf(p->arena, "%s: %s", e.name, e.description) : e.name;
    return p->runs.title ? ST_OK : ST_MEMORY;
}

status table_paper(int number, const char *where, const char *runs, int protocol, struct arena *arena,
                   struct sheet **out)
{
    static status (*const part[PUBLISHED_TABLES])(struct paper *) = {paper_results,  paper_operations, paper_settings,
                                                                     paper_settings, paper_settings,   paper_counts};
    struct paper p = {.arena = arena, .number = number, .protocol = protocol};
    enum place_kind kind;
    bool qqp;
    TRY(published_read(number, arena, &p.table));
    TRY(published_read(0, arena, &p.notes));
    NEW(p.noted, arena, p.notes.rows + 1);
    TRY(record_place_kind(where, &kind));
    bool settings = part[number - 1] == paper_settings && kind == PLACE_NONE;
    TRY(settings ? gather_cells(where, &p) : material_gather(where, runs, "", 0, arena, &p.runs));
    TRY(has_task(&p, "qqp", &qqp));
    if (qqp && number == 1) TRY(material_gather(where, runs, "f1", 0, arena, &p.f1));
    TRY(part[number - 1](&p));
    *out = p.sheet;
    return ST_OK;
}
