#include "tests/pgtest.h"

#include "tests/sample_record.h"

static const char *or_else(const char *s, const char *otherwise)
{
    return s ? s : otherwise;
}

const char *sample_canon(const struct sample *s, struct arena *a)
{
    const char *row = or_else(s->row, "lora");
    if (s->canon) return s->canon;
    return arena_printf(a, "%smethod=%s\nnumerics=1\nseed=%lld\nstore=f32\ntask=%s\ntrain.lr=0.001\n",
                        or_else(s->options, ""), or_else(s->method, row), s->seed, or_else(s->task, "cola"));
}

/* Something for every required item; what matters is set over it. */
static void fill(struct record *r, int always_only)
{
    for (const struct schema_item *s = schema_table; s->path; s++) {
        if (s->required == NEED_NOTHING || (always_only && s->required != NEED_ALWAYS)) continue;
        const char *variant_first = strncmp(s->path, "eval/{}/", 8) == 0 || strncmp(s->path, "predictions/", 12) == 0 ||
                                            strncmp(s->path, "data/", 5) == 0 || strncmp(s->path, "labels/", 7) == 0 ||
                                            strncmp(s->path, "halves/", 7) == 0 || strncmp(s->path, "hashes/", 7) == 0
                                        ? "dev"
                                        : "";
        char path[RECORD_PATH];
        const char *word = "x";
        const int64_t zero = 0;
        const double none = 0;
        const size_t one[3] = {1, 1, 1};
        if (strstr(s->path, "{}") && !*variant_first && strncmp(s->path, "config", 6) != 0) continue; /* by variant */
        if (strstr(s->path, "{}/{}")) continue;
        ck_ok(record_path(path, s->path, *variant_first ? variant_first : "train.lr", ""));
        switch (s->type) {
        case ITEM_STRING: ck_ok(record_string(r, path, word)); break;
        case ITEM_INT: ck_ok(record_int(r, path, 0)); break;
        case ITEM_REAL: ck_ok(record_real(r, path, 0)); break;
        case ITEM_STRINGS: ck_ok(record_strings(r, path, &word, 1)); break;
        case ITEM_INTS: ck_ok(record_ints(r, path, &zero, schema_rank(s), one)); break;
        case ITEM_REALS: ck_ok(record_reals(r, path, &none, schema_rank(s), one)); break;
        }
    }
}

static void reals(struct record *r, const char *pattern, const char *set, const char *variant, const double *v,
                  int rank, size_t d0, size_t d1)
{
    char path[RECORD_PATH];
    ck_ok(record_path(path, pattern, set, variant));
    ck_ok(record_reals(r, path, v, rank, (const size_t[]){d0, d1}));
}

static void scalar(struct record *r, const char *pattern, const char *variant, double v, int whole)
{
    char path[RECORD_PATH];
    ck_ok(record_path(path, pattern, variant, NULL));
    ck_ok(whole ? record_int(r, path, (int64_t)v) : record_real(r, path, v));
}

static void fill_predictions(const struct sample *s, struct record *r, const char *variant)
{
    enum { N = SAMPLE_EXAMPLES };
    int outputs = s->outputs ? s->outputs : 2;
    double logits[2 * N], label[N];
    for (int i = 0; i < N; i++) {
        int class = s->constant ? 1 : i % 2 ^ !(s->right >> i & 1);
        label[i] = i % 2;
        if (outputs == 1) {
            logits[i] = s->constant ? 2.5 : i * 0.5;
        } else {
            logits[2 * i] = class ? -1 : 1;
            logits[2 * i + 1] = class ? 1 : -1;
        }
    }
    reals(r, "labels/{}", "dev", NULL, label, 1, N, 0);
    reals(r, "predictions/{}/{}/best", "dev", variant, logits, 2, N, (size_t)outputs);
    reals(r, "predictions/{}/{}/last", "dev", variant, logits, 2, N, (size_t)outputs);
}

static void fill_variant(const struct sample *s, struct record *r, int v, const char *variant, int metrics)
{
    enum { E = SAMPLE_EVALUATIONS };
    double score[E], epoch[E] = {1, 2, 3}, metric[E * SAMPLE_METRICS], half[E * SAMPLE_METRICS], one = 1;
    const int64_t step[E] = {10, 20, 30};
    char path[RECORD_PATH];
    for (int e = 0; e < E; e++) {
        score[e] = s->score[e] + v * s->step;
        for (int m = 0; m < metrics; m++) {
            metric[e * metrics + m] = score[e] - 0.1 * m; /* the second metric lies 0.1 below, and so on */
            half[e * metrics + m] = metric[e * metrics + m] - 0.01;
        }
    }
    ck_ok(record_path(path, "eval/{}/{}/steps", "dev", variant));
    ck_ok(record_ints(r, path, step, 1, &(size_t){E}));
    reals(r, "eval/{}/{}/epochs", "dev", variant, epoch, 1, E, 0);
    reals(r, "eval/{}/{}/loss", "dev", variant, epoch, 1, E, 0);
    reals(r, "eval/{}/{}/metrics", "dev", variant, metric, 2, E, (size_t)metrics);
    reals(r, "eval/{}/{}/first_half", "dev", variant, metric, 2, E, (size_t)metrics);
    reals(r, "eval/{}/{}/second_half", "dev", variant, half, 2, E, (size_t)metrics);
    scalar(r, "scores/{}/best", variant, score[1], 0);
    scalar(r, "scores/{}/best_step", variant, 20, 1);
    scalar(r, "scores/{}/last", variant, score[2], 0);
    scalar(r, "scores/{}/split", variant, score[1] - 0.01, 0);
    scalar(r, "scores/{}/split_step", variant, 20, 1);
    scalar(r, "parameters/deployed/{}", variant, (double)(s->deployed ? s->deployed : s->adapter), 1);
    reals(r, "bops/{}/absolute", variant, NULL, &one, 2, 1, 1);
    reals(r, "bops/{}/relative", variant, NULL, &one, 2, 1, 1);
    fill_predictions(s, r, variant);
}

void sample_record(const struct sample *s, struct arena *a, struct record *r)
{
    static const char *const one_variant[] = {""};
    const char *const accuracy[] = {"accuracy"};
    int variants = 0, metrics = 0;
    int ok = !s->status || strcmp(s->status, "ok") == 0;
    while (variants < SAMPLE_VARIANTS && s->variant[variants]) variants++;
    while (metrics < SAMPLE_METRICS && s->metric[metrics]) metrics++;
    ck_ok(record_init(r, a));
    fill(r, !ok);
    ck_ok(record_string(r, "run/row", or_else(s->row, "lora")));
    ck_ok(record_string(r, "run/method", or_else(s->method, or_else(s->row, "lora"))));
    ck_ok(record_string(r, "run/task", or_else(s->task, "cola")));
    ck_ok(record_string(r, "run/model", or_else(s->model, "mini")));
    ck_ok(record_string(r, "run/canon", sample_canon(s, a)));
    ck_ok(record_int(r, "run/seed", s->seed));
    ck_ok(record_string(r, "run/status", or_else(s->status, "ok")));
    ck_ok(record_string(r, "run/protocol", or_else(s->protocol, "best")));
    ck_ok(record_string(r, "environment/date", or_else(s->date, "2025-01-02T03:04:05Z")));
    if (s->cause) ck_ok(record_string(r, "run/cause", s->cause));
    if (!ok) return;
    ck_ok(record_strings(r, "eval/metric_names", metrics ? s->metric : accuracy, metrics ? (size_t)metrics : 1));
    ck_ok(record_int(r, "eval/main_is_mean", s->main_is_mean));
    ck_ok(record_int(r, "parameters/adapter_peak", s->adapter));
    ck_ok(record_int(r, "parameters/head", s->head));
    for (int v = 0; v < (variants ? variants : 1); v++)
        fill_variant(s, r, v, variants ? s->variant[v] : one_variant[0], metrics ? metrics : 1);
}

void sample_write(const struct sample *s, const char *path)
{
    struct arena *a = arena_new("sample");
    struct record r;
    sample_record(s, a, &r);
    ck_ok(record_write(&r, path));
    arena_free(a);
}
