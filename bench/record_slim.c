#include "bench/record_slim.h"

#include "bench/run_list.h"

static const char *const bulk[] = {
    "train/loss",
    "train/lr",
    "train/grad_norm",
    "train/penalty",
    "labels/{}",
    "halves/{}",
    "predictions/{}/{}/last",
    "predictions/{}/{}/best",
    "environment/host",
    "environment/command",
    "environment/adapter_file",
    "environment/adapter_sha256",
};
enum { BULK = sizeof bulk / sizeof *bulk };

static status put_right(const struct run_variant *v, enum protocol p, const char *pattern, struct arena *a,
                        struct record *slim)
{
    char path[RECORD_PATH];
    int64_t *right;
    const size_t n = (size_t)v->examples;
    if (!v->right[p]) return ST_OK;
    NEW(right, a, n);
    for (size_t i = 0; i < n; i++) right[i] = v->right[p][i];
    TRY(record_path(path, pattern, v->name, NULL));
    return record_ints(slim, path, right, 1, &n);
}

static status put_facts(const struct run_variant *v, struct arena *a, struct record *slim)
{
    char path[RECORD_PATH];
    int64_t constant[PROTOCOLS];
    for (int p = 0; p < PROTOCOLS; p++) constant[p] = v->constant[p];
    TRY(record_path(path, "slim/{}/constant", v->name, NULL));
    TRY(record_ints(slim, path, constant, 1, (const size_t[]){PROTOCOLS}));
    TRY(put_right(v, PROTOCOL_BEST, "slim/{}/right_best", a, slim));
    return put_right(v, PROTOCOL_LAST, "slim/{}/right_last", a, slim);
}

status record_slim(const struct record *whole, struct arena *a, struct record *slim)
{
    char hash[SHA256_HEX];
    struct run run;
    if (record_get(whole, "slim/content_hash")) return record_copy(whole, NULL, 0, a, slim);
    record_hash(whole, hash);
    TRY(run_take(whole, "", "", a, &run));
    TRY(record_copy(whole, bulk, BULK, a, slim));
    TRY(record_string(slim, "slim/content_hash", hash));
    TRY(record_strings(slim, "slim/left_out", bulk, BULK));
    for (int v = 0; v < run.variants; v++) TRY(put_facts(&run.variant[v], a, slim));
    return ST_OK;
}
