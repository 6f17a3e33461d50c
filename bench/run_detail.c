#include "bench/run_detail.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "bench/run_list.h"

static const struct record_item *get(const struct record *r, const char *pattern, const char *first, const char *second)
{
    char path[RECORD_PATH];
    return record_path(path, pattern, first, second) == ST_OK ? record_get(r, path) : NULL;
}

/* ---- learning curves --------------------------------------------------------------------------------------------- */

/* The main score, or one metric, at evaluation e of one set. */
static double score_at(const struct record_item *metrics, size_t e, int column, int mean)
{
    const double *row = metrics->v.d + e * metrics->dim[1];
    double sum = 0;
    if (column >= 0) return row[column];
    if (!mean) return row[0];
    for (size_t i = 0; i < metrics->dim[1]; i++) sum += row[i];
    return sum / (double)metrics->dim[1];
}

/* The set's name in "eval/SET/VARIANT/metrics"; NULL: another path. */
static const char *set_of(const char *path, const char *variant, struct arena *a)
{
    char end[RECORD_PATH + 16];
    size_t n = strlen(path), m;
    snprintf(end, sizeof end, "/%s/metrics", *variant ? variant : RECORD_MAIN);
    m = strlen(end);
    if (strncmp(path, "eval/", 5) != 0 || n < m + 6 || strcmp(path + n - m, end) != 0) return NULL;
    return arena_printf(a, "%.*s", (int)(n - m - 5), path + 5);
}

/* Whether the set has the metric at some evaluation: of a dev set and a benchmark each has its own only. */
static int measured(const struct record_item *metrics, int column, int mean)
{
    for (size_t e = 0; e < metrics->dim[0]; e++)
        if (!isnan(score_at(metrics, e, column, mean))) return 1;
    return 0;
}

static status take_curve(const struct record *r, const char *variant, int column, struct arena *a,
                         struct variant_detail *d)
{
    int mean = record_get_real(r, "eval/main_is_mean", 0) != 0, sets = 0;
    for (int i = 0; i < r->count; i++) {
        const struct record_item *m = &r->item[i];
        const char *set = set_of(m->path, variant, a);
        const struct record_item *epochs = set ? get(r, "eval/{}/{}/epochs", set, variant) : NULL;
        const struct record_item *steps = set ? get(r, "eval/{}/{}/steps", set, variant) : NULL;
        if (!epochs || !steps || steps->n != epochs->n || m->rank != 2 || m->dim[1] == 0 || m->dim[0] != epochs->n ||
            column >= (int)m->dim[1])
            continue;
        if (!d->epoch) {
            d->evaluations = (int)epochs->n;
            NEW(d->epoch, a, epochs->n + 1);
            NEW(d->step, a, epochs->n + 1);
            ZNEW(d->score, a, epochs->n + 1);
            if (epochs->n) memcpy(d->epoch, epochs->v.d, epochs->n * sizeof *d->epoch);
            for (size_t e = 0; e < epochs->n; e++) d->step[e] = (double)steps->v.i[e];
        }
        if (!measured(m, column, mean)) continue;
        sets++;
        for (int e = 0; e < d->evaluations && (size_t)e < epochs->n; e++)
            d->score[e] += score_at(m, (size_t)e, column, mean);
    }
    for (int e = 0; e < d->evaluations; e++) d->score[e] /= sets;
    return ST_OK;
}

/* ---- ranks and bits -------------------------------------------------------------------------------------------------
 */

/* The last of `times` rows of int64 or float64 values, as float64; NULL: absent or of another shape. */
static status last_row(const struct record_item *it, size_t width, struct arena *a, double **out)
{
    *out = NULL;
    if (!it || it->n == 0 || it->n % width || it->n / width != it->dim[0]) return ST_OK;
    NEW(*out, a, width);
    for (size_t i = 0; i < width; i++)
        (*out)[i] = it->type == ITEM_INTS ? (double)it->v.i[it->n - width + i] : it->v.d[it->n - width + i];
    return ST_OK;
}

static status take_trace(const struct record *r, const char *variant, int sites, struct arena *a,
                         struct variant_detail *d)
{
    const size_t n = (size_t)sites;
    if (sites == 0) return ST_OK;
    TRY(last_row(get(r, "trace/{}/rank", variant, NULL), n, a, &d->rank));
    TRY(last_row(get(r, "trace/{}/rank_max", variant, NULL), n, a, &d->rank_max));
    return last_row(get(r, "trace/{}/bits", variant, NULL), n * DETAIL_OPERANDS, a, &d->bits);
}

static int metric_column(const struct record *r, const char *metric)
{
    const struct record_item *names = record_get(r, "eval/metric_names");
    for (size_t i = 0; names && *metric && i < names->n; i++)
        if (strcmp(names->v.ss[i], metric) == 0) return (int)i;
    return -1;
}

status run_detail_take(const struct record *r, const char *metric, struct arena *a, struct run *run)
{
    struct run_detail *d;
    const struct record_item *sites = record_get(r, "trace/sites"), *operands = record_get(r, "trace/operands");
    ZNEW(d, a, 1);
    d->train_examples = record_get_real(r, "data/train/examples", NAN);
    if (sites && operands && operands->n == DETAIL_OPERANDS) {
        NEW(d->site, a, sites->n + 1);
        for (size_t i = 0; i < sites->n; i++)
            if (!(d->site[i] = arena_strdup(a, sites->v.ss[i]))) return ST_MEMORY;
        d->sites = (int)sites->n;
    }
    ZNEW(d->variant, a, run->variants + 1);
    for (int v = 0; v < run->variants; v++) {
        if (!run->lacks_metric) TRY(take_curve(r, run->variant[v].name, metric_column(r, metric), a, &d->variant[v]));
        TRY(take_trace(r, run->variant[v].name, d->sites, a, &d->variant[v]));
    }
    run->detail = d;
    return ST_OK;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *end, *name;
} projections[] = {{"query", "query"},          {"query_proj", "query"},
                   {"q_proj", "query"},         {"key", "key"},
                   {"key_proj", "key"},         {"k_proj", "key"},
                   {"value", "value"},          {"value_proj", "value"},
                   {"v_proj", "value"},         {"attention.output.dense", "attn out"},
                   {"o_proj", "attn out"},      {"intermediate.dense", "ffn in"},
                   {"output.dense", "ffn out"}, {"gate_proj", "ffn gate"},
                   {"up_proj", "ffn up"},       {"down_proj", "ffn down"}};

/* Whether the last components of a dotted name are `end`. */
static int ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0 && (n == m || name[n - m - 1] == '.');
}

const char *site_projection(const char *site, int *layer)
{
    static _Thread_local char rest[64];
    *layer = -1;
    snprintf(rest, sizeof rest, "%.63s", site);
    for (const char *p = site; p; p = strchr(p, '.')) {
        p += *p == '.';
        if (isdigit((unsigned char)*p)) {
            char *end;
            *layer = (int)strtol(p, &end, 10);
            snprintf(rest, sizeof rest, "%.63s", *end == '.' ? end + 1 : end);
            break;
        }
    }
    for (size_t i = 0; i < sizeof projections / sizeof *projections; i++)
        if (*layer >= 0 && ends_in(rest, projections[i].end)) return projections[i].name;
    return rest;
}
