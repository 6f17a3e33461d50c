/* `peftgrid plot`: figures of the records of an experiment, a folder or a merged file. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "bench/cli.h"
#include "bench/metrics.h"
#include "bench/plot.h"

#define SETTING_CHOICES "real|paper|own"
#define SCOPE_CHOICES "encoder|attention"

struct plot_options {
    int protocol, setting, scope, y, tuning;
    const char *kind, *x, *only, *out, *format, *metric, *runs;
};
#define Y_CHOICES "score|bops|bits|rank|params"
static const char *const y_names[] = {"score", "bops", "bits", "rank", "params"};
#define AT(field) offsetof(struct plot_options, field)
static const struct option plot_option_table[] = {
    {"kind", OPT_STRING, AT(kind), 0, 0, "all", "KINDS",
     "curves, params, bops, ranks, bits, sizes, several with commas; all: whatever the records give", 0},
    {"x", OPT_STRING, AT(x), 0, 0, "", "OPTION", "draw a sweep instead: against the values of this option", 0},
    {"y", OPT_ENUM, AT(y), 0, 0, "score", Y_CHOICES, "of a sweep: what is drawn against --x", 0},
    {"only", OPT_STRING, AT(only), 0, 0, "", "PATTERN",
     "only rows whose name matches: a part of it, or a pattern with * and ?; several with commas", 0},
    {"out", OPT_STRING, AT(out), 0, 0, "", "FOLDER", "where figures go; default figures/<experiment>", 0},
    {"format", OPT_STRING, AT(format), 0, 0, "png,svg,pdf", "LIST", "of png, svg and pdf", 0},
    {"protocol", OPT_ENUM, AT(protocol), 0, 0, "own", "own|" PROTOCOL_CHOICES,
     "which evaluation counts; own: as the experiment says", 0},
    {"metric", OPT_STRING, AT(metric), 0, 0, "", "NAME", "another metric than each task's main one", 0},
    {"setting", OPT_ENUM, AT(setting), 0, 0, "real", SETTING_CHOICES,
     "bit operations at the mean real length over LoRA of rank 16; of the ranks and bits on DeBERTaV3-base at 20 "
     "tokens; "
     "there over the same adapters at 32 bits",
     0},
    {"scope", OPT_ENUM, AT(scope), 0, 0, "encoder", SCOPE_CHOICES, "of the whole encoder or of its attention", 0},
    {"tuning", OPT_FLAG, AT(tuning), 0, 0, "no", NULL, "the runs on tuning seeds instead of those that are reported",
     0},
    {"runs", OPT_STRING, AT(runs), 0, 0, "", "FOLDER", "where the records lie: FOLDER/<experiment>, or a merged file",
     0},
    OPT_END};
#undef AT

static const struct {
    const char *name;
    plot_fn *draw;
} kinds[] = {{"curves", plot_curves}, {"params", plot_params}, {"bops", plot_bops},
             {"ranks", plot_ranks},   {"bits", plot_bits},     {"sizes", plot_sizes}};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* ---- what kinds use ---------------------------------------------------------------------------------------------- */

const struct variant_detail *plot_detail(const struct table_point *p)
{
    return p->variant && p->run->detail ? &p->run->detail->variant[p->variant - p->run->variant] : NULL;
}

double plot_bops_of(const struct plot *p, const struct table_point *point)
{
    if (!point->variant) return NAN;
    const struct run_bops *b = &point->variant->bops;
    const double share[][2] = {[BOPS_REAL] = {b->here.encoder, b->here.attention},
                               [BOPS_PAPER] = {b->base.encoder, b->base.attention},
                               [BOPS_OWN] = {b->own.encoder, b->own.attention}};
    return 100 * share[p->bops][p->attention];
}

const char *plot_bops_unit(const struct plot *p)
{
    return p->bops == BOPS_OWN ? "32-bit adapters" : "LoRA r=16";
}

const struct run *plot_run_of(const struct table *t, int row)
{
    for (int c = 0; c < t->cols; c++)
        if (table_cell_at(t, row, c)->points) return table_cell_at(t, row, c)->point[0].run;
    return NULL;
}

status plot_finish(struct plot *p, struct figure *f)
{
    status st = figure_finish(f, p->lack ? "" : p->formats);
    if (st == ST_UNSUPPORTED && !(p->lack = arena_strdup(p->arena, status_message()))) return ST_MEMORY;
    if (st != ST_UNSUPPORTED) TRY(st);
    printf("%s/%s.{%s%sgp,dat}\n", f->folder, f->name, p->lack ? "" : p->formats, p->lack ? "" : ",");
    p->drawn++;
    return ST_OK;
}

/* ---- the words --------------------------------------------------------------------------------------------------- */

static status check_list(const char *list, const char *what, const char *const *known, int n, struct arena *a)
{
    char **word;
    int words;
    TRY(text_split(list, ',', a, &word, &words));
    FAIL_IF(words == 0, ST_USAGE, "--%s names nothing", what);
    for (int i = 0; i < words; i++) {
        int found = 0;
        for (int k = 0; k < n; k++) found |= strcmp(word[i], known[k]) == 0;
        if (!found) return cli_unknown("", what, word[i], known, n);
    }
    return ST_OK;
}

static status check_options(const struct plot_options *o, struct arena *a)
{
    static const char *const formats[] = {"png", "svg", "pdf"};
    const char *known[KINDS + 1] = {"all"}, *metrics[64];
    int n = 0;
    for (int i = 0; i < KINDS; i++) known[i + 1] = kinds[i].name;
    TRY(check_list(o->kind, "kind", known, KINDS + 1, a));
    TRY(check_list(o->format, "format", formats, 3, a));
    for (const struct metric *m = metric_table; m->name && n < 64; m++) metrics[n++] = m->name;
    FAIL_IF(!*o->x && o->y, ST_USAGE, "--y goes with --x");
    return !*o->metric || metric_find(o->metric) ? ST_OK : cli_unknown("", "metric", o->metric, metrics, n);
}

static status choose_rows(struct plot *p, const char *only)
{
    char **pattern;
    int patterns, any = 0;
    const char *name = "";
    TRY(text_split(only, ',', p->arena, &pattern, &patterns));
    NEW(p->chosen, p->arena, p->t->rows + 1);
    for (int r = 0; r < p->t->rows; r++) {
        name = table_row_name(&p->t->row[r], p->arena);
        p->chosen[r] = patterns == 0;
        for (int i = 0; i < patterns; i++)
            p->chosen[r] |= strpbrk(pattern[i], "*?") ? text_match(pattern[i], name) : strstr(name, pattern[i]) != NULL;
        any |= p->chosen[r];
    }
    p->all_variants = patterns > 0;
    FAIL_IF(!any, ST_USAGE, "no row matches --only '%s'; rows look like %s", only, name);
    return ST_OK;
}

/* A list of kinds must be drawable each; of "all" only something. */
static status draw_kinds(struct plot *p, const char *list)
{
    char **word;
    int words, all = 0;
    TRY(text_split(list, ',', p->arena, &word, &words));
    for (int i = 0; i < words; i++) all |= strcmp(word[i], "all") == 0;
    for (int k = 0; k < KINDS; k++) {
        int asked = all;
        for (int i = 0; i < words; i++) asked |= strcmp(word[i], kinds[k].name) == 0;
        if (!asked) continue;
        TRY(kinds[k].draw(p));
        FAIL_IF(p->why && !all, ST_INPUT, "no figure of %s: %s", kinds[k].name, p->why);
    }
    FAIL_IF(p->drawn == 0, ST_INPUT, "no figure: the records have neither evaluations nor ranks nor bits");
    return ST_OK;
}

static status draw_sweep(struct plot *p)
{
    TRY(plot_sweep(p));
    FAIL_IF(p->why, ST_INPUT, "no figure against '%s': %s", p->x, p->why);
    return ST_OK;
}

static status run_plot(const void *options, char **args, int count, struct arena *arena)
{
    const struct plot_options *o = options;
    struct material m;
    struct table t;
    struct table_spec spec = {.rows = "", .cols = "", .baseline = "", .metric = o->metric, .protocol = o->protocol - 1};
    (void)count;
    TRY(check_options(o, arena));
    TRY(material_gather(args[0], o->runs, o->metric, MATERIAL_DETAILS | (o->tuning ? MATERIAL_TUNING : 0), arena, &m));
    TRY(table_make(&spec, m.run, m.count, arena, &t));
    struct plot p = {.arena = arena,
                     .material = &m,
                     .t = &t,
                     .folder = *o->out ? o->out : arena_printf(arena, "figures/%s", m.name),
                     .formats = o->format,
                     .bops = (enum bops_choice)o->setting,
                     .attention = o->scope,
                     .x = o->x,
                     .y = y_names[o->y]};
    if (!p.folder) return ST_MEMORY;
    TRY(choose_rows(&p, o->only));
    for (int i = 0; i < m.notes; i++) printf("%s\n", m.note[i]);
    TRY(*o->x ? draw_sweep(&p) : draw_kinds(&p, o->kind));
    FAIL_IF(p.lack, ST_UNSUPPORTED, "%s", p.lack);
    return ST_OK;
}

const struct command command_plot = {
    .name = "plot",
    .summary = "draw figures of the records of an experiment, a folder or a merged file",
    .usage = "EXPERIMENT.ini|FOLDER|FILE.h5 [options]",
    .details =
        "curves: learning curves with a band over the seeds. params, bops: score against parameters and against bit "
        "operations, the Pareto front marked. ranks: rank by layer and projection, for each row whose ranks changed. "
        "bits: median width by operand and task, for each row that quantises. sizes: bits against the size of the "
        "training set. --x rank: a sweep over an option that was given as a list.\n\n"
        "A figure NAME is drawn by gnuplot from NAME.gp and NAME.dat, which stay beside it: edit the script and redraw "
        "with `gnuplot NAME.gp`, or with -e \"format='pdf'\" before the name.",
    .options = plot_option_table,
    .option_size = sizeof(struct plot_options),
    .min_args = 1,
    .max_args = 1,
    .run = run_plot,
};
