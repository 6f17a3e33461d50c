/* What training a language model costs: opens a model folder, trains a method over a store on random tokens, and prints
 * private memory and seconds a step.
 *
 *     train_memory FOLDER [--method qlora] [--store nf4] [--precision f32] [--length 512] [--micro-batch 1] [--steps 2]
 *                  [--recompute yes] [--store-file BASE.safetensors]
 *
 * Private memory is RssAnon of /proc/self/status, looked at 50 times a second; pages of the mapped model file, which
 * the system can take back at any time, are shown apart. With --store-file the stored weights are mapped from that
 * file, or written there when it does not exist. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "bench/preset.h"
#include "bench/session.h"
#include "core/lap.h"
#include "core/parallel.h"
#include "models/stored_file.h"
#include "tools/tool.h"

struct options {
    const char *method, *store, *precision, *file;
    int length, micro, steps, recompute, threads;
};
#define AT(field) offsetof(struct options, field)
static const struct option options[] = {
    {"method", OPT_STRING, AT(method), 0, 0, "qlora", "NAME", "method or preset", 0},
    {"store", OPT_STRING, AT(store), 0, 0, "", "NAME", "store of the base weights; default: the preset's, or f32", 0},
    {"precision", OPT_STRING, AT(precision), 0, 0, "f32", "NAME", "f32, bf16 or dfp", 0},
    {"store-file", OPT_STRING, AT(file), 0, 0, "", "PATH", "map the stored weights from here, or write them here", 0},
    {"length", OPT_INT, AT(length), 1, 1 << 20, "512", "N", "tokens of a sequence", 0},
    {"micro-batch", OPT_INT, AT(micro), 1, 1 << 16, "1", "N", "sequences of a pass", 0},
    {"steps", OPT_INT, AT(steps), 0, 1000, "2", "N", "optimiser steps of one pass each", 0},
    {"recompute", OPT_BOOL, AT(recompute), 0, 0, "yes", "yes|no", "run blocks again in the backward pass", 0},
    {"threads", OPT_INT, AT(threads), 0, 1024, "0", "N", "threads, 0: all", 0},
    OPT_END};
#undef AT

static const char usage[] = "train_memory FOLDER [options]";

/* ---- memory ---- */

struct watch {
    pthread_t thread;
    volatile int end;
    double anon, file; /* largest seen, bytes */
};

static double status_field(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? 1024 * strtod(at + strlen(name), NULL) : 0;
}

static void look(struct watch *w)
{
    char text[8192];
    FILE *f = fopen("/proc/self/status", "r");
    if (!f) return;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    double anon = status_field(text, "RssAnon:"), file = status_field(text, "RssFile:");
    if (anon > w->anon) w->anon = anon;
    if (file > w->file) w->file = file;
}

static void *watching(void *ctx)
{
    struct watch *w = ctx;
    const struct timespec pause = {0, 20000000};
    while (!w->end) {
        look(w);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* ---- training ---- */

struct job {
    const struct options *o;
    struct arena *arena;
    struct session session;
    struct watch watch;
};

static status open_session(struct job *j, const char *folder)
{
    struct preset preset;
    const struct method *asked = method_find(j->o->method);
    FAIL_IF(!asked, ST_USAGE, "unknown method '%s'", j->o->method);
    TRY(preset_resolve(asked, j->arena, &preset));
    const char *store = *j->o->store ? j->o->store : preset_value(&preset, "store");
    struct session_spec spec = {.model = {.path = folder,
                                          .head = HEAD_LM,
                                          .cls_dropout = -1,
                                          .hidden_dropout = -1,
                                          .attn_dropout = -1,
                                          .recompute = j->o->recompute,
                                          .train_pooler = -1},
                                .method = preset.method,
                                .store = store_find(store ? store : "f32"),
                                .arith = arith_find(j->o->precision),
                                .seed = 1,
                                .total_steps = (uint64_t)j->o->steps + 1};
    FAIL_IF(!spec.store, ST_USAGE, "unknown store '%s'", store);
    FAIL_IF(!spec.arith, ST_USAGE, "unknown precision '%s'", j->o->precision);
    void *method_options, *store_options;
    TRY(preset_options(&preset, preset.method->options, preset.method->option_size, j->arena, &method_options));
    TRY(preset_options(&preset, spec.store->options, spec.store->option_size, j->arena, &store_options));
    spec.method_options = method_options;
    spec.store_options = store_options;
    spec.store_file = *j->o->file ? j->o->file : NULL;
    return session_open(&spec, &j->session);
}

static status random_batch(const struct job *j, int step, struct batch *b)
{
    int n = j->o->micro, length = j->o->length, tokens = n * length, *offset;
    int32_t *ids, *label;
    uint32_t *key, *slot;
    const struct rng *rng = &j->session.rng;
    NEW(offset, j->arena, n + 1);
    NEW(ids, j->arena, tokens);
    NEW(label, j->arena, tokens);
    NEW(key, j->arena, tokens);
    NEW(slot, j->arena, n);
    for (int s = 0; s <= n; s++) offset[s] = s * length;
    for (int s = 0; s < n; s++) slot[s] = (uint32_t)s;
    for (int t = 0; t < tokens; t++) {
        ids[t] = rng_below(rng, RNG_DATA, (uint64_t)step, 0, 0, (uint64_t)t, j->session.model->config.vocab);
        key[t] = (uint32_t)(t / length) << 16 | (uint32_t)(t % length);
    }
    for (int t = 0; t < tokens; t++) label[t] = (t + 1) % length ? ids[t + 1] : -1;
    *b = (struct batch){.n = n,
                        .tokens = tokens,
                        .offset = offset,
                        .ids = ids,
                        .row_key = key,
                        .slot = slot,
                        .label = label,
                        .step_examples = tokens - n};
    return ST_OK;
}

static status train(struct job *j)
{
    const struct adamw adamw = {ADAMW_TORCH, 0.9, 0.999, 1e-8, 0, 0};
    for (int step = 0; step < j->o->steps; step++) {
        struct arena_mark mark = arena_mark(j->arena);
        struct batch b;
        double loss = 0, penalty, norm, begin = clock_seconds();
        TRY(random_batch(j, step, &b));
        if (step == 0) TRY(session_observe(&j->session, &b));
        TRY(session_micro(&j->session, &b, (uint64_t)step, 0, &loss));
        TRY(session_update(&j->session, &adamw, 2e-4, 0.3, (uint64_t)step, &penalty, &norm));
        printf("step %d: %.1f s, loss %.4f; private memory so far %.2f GB, mapped pages %.2f GB\n", step + 1,
               clock_seconds() - begin, loss, j->watch.anon / 1e9, j->watch.file / 1e9);
        fflush(stdout);
        arena_reset(j->arena, mark);
    }
    return ST_OK;
}

static void report(struct job *j)
{
    const struct session *s = &j->session;
    double stored = 0, weights = 0;
    for (int i = 0; i < s->model->sites; i++)
        if (model_stores_site(s->model->site[i])) {
            const struct wsrc *w = &s->model->site[i]->w;
            weights += (double)w->rows * w->cols;
            stored += (double)w->rows * w->cols * w->bits / 8;
        }
    look(&j->watch);
    printf("store: %.0f weights in %.2f GB; trained parameters: %zu\n", weights, stored / 1e9,
           param_count(&s->reg, P_ADAPTER, true) + param_count(&s->reg, P_BASE, true));
    printf("arenas at their peaks: run %.2f GB, activations %.2f GB, scratch %.2f GB\n",
           (double)arena_peak(s->arena) / 1e9, (double)arena_peak(s->tape) / 1e9, (double)arena_peak(s->scratch) / 1e9);
    printf("largest private memory: %.2f GB; largest mapped part of the model file: %.2f GB\n", j->watch.anon / 1e9,
           j->watch.file / 1e9);
}

static status measure(struct job *j, const char *folder)
{
    double begin = clock_seconds();
    TRY(open_session(j, folder));
    printf("opened in %.1f s; private memory so far %.2f GB, mapped pages %.2f GB\n", clock_seconds() - begin,
           j->watch.anon / 1e9, j->watch.file / 1e9);
    fflush(stdout);
    TRY(train(j));
    report(j);
    return ST_OK;
}

static status run(const void *given, char **args, int count, struct arena *a)
{
    struct job j = {.o = given, .arena = a};
    FAIL_IF(count != 1, ST_USAGE, "expected a model folder: %s", usage);
    parallel_set_threads(j.o->threads);
    FAIL_IF(pthread_create(&j.watch.thread, NULL, watching, &j.watch) != 0, ST_IO, "cannot start a thread");
    status st = measure(&j, args[0]);
    j.watch.end = 1;
    pthread_join(j.watch.thread, NULL);
    session_close(&j.session);
    return st;
}

static const struct command command = {.name = "train_memory",
                                       .summary = "memory and time of training a language model",
                                       .usage = usage,
                                       .options = options,
                                       .option_size = sizeof(struct options),
                                       .max_args = -1,
                                       .run = run};

int main(int argc, char **argv)
{
    return tool_main(&command, argc, argv);
}
