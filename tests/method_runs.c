#include "tests/pgtest.h"

#include "tests/method_runs.h"

#include "core/parallel.h"

static struct arena *forever(void)
{
    static struct arena *arena;
    if (!arena) arena = arena_new("runs of a method");
    ck_assert_ptr_nonnull(arena);
    return arena;
}

void *run_options(const struct method *m, const char *settings)
{
    char *rest = NULL, *copy = arena_strdup(forever(), settings);
    void *options = probe_options(m);
    parallel_set_threads(1); /* tiny matrices: threads only wait for each other */
    ck_assert_ptr_nonnull(copy);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(word, '=');
        ck_assert_ptr_nonnull(value);
        *value++ = 0;
        ck_ok(option_set(m->options, options, word, value, "settings", forever()));
    }
    return options;
}

status run_open(const struct method *m, const char *settings, enum probe_model model, struct session *s)
{
    const struct probe p = {
        .method = m, .options = run_options(m, settings), .model = model, .store = store_find("f32")};
    return probe_open(&p, 0, s);
}

void run_gradients(struct session *s, uint64_t step)
{
    int index[32];
    const struct tokens *t = probe_data();
    struct batch b;
    double loss = 0;
    ck_assert_int_eq(t->n, 32);
    for (int i = 0; i < t->n; i++) index[i] = i;
    struct arena_mark mark = arena_mark(s->scratch);
    ck_ok(batch_make(t, index, t->n, 0, t->n, 0, s->scratch, &b));
    if (step == 0) ck_ok(session_observe(s, &b));
    ck_ok(session_micro(s, &b, step, 0, &loss));
    arena_reset(s->scratch, mark);
}

void run_steps(struct session *s, uint64_t from, uint64_t to, double clip)
{
    const struct adamw adamw = {ADAMW_TORCH, 0.9, 0.999, 1e-8, 0.01, 0.02};
    double penalty, norm;
    ck_assert_uint_eq(s->run.total_steps, RUN_STEPS);
    for (uint64_t step = from; step < to; step++) {
        run_gradients(s, step);
        ck_ok(session_update(s, &adamw, 0.02, clip, step, &penalty, &norm));
    }
}

const float *run_logits(struct session *s, int variant)
{
    float *logits;
    ck_ok(session_predict(s, probe_data(), 32, variant, forever(), &logits, NULL));
    return logits;
}

struct param *run_tensor(const struct session *s, const struct site *site, const char *suffix)
{
    char name[512];
    snprintf(name, sizeof name, "%s.%s", site->name, suffix);
    struct param *p = param_find(&s->reg, name);
    ck_assert_msg(p != NULL, "there is no tensor %s", name);
    return p;
}

const struct site *run_site(const struct session *s, int nth)
{
    for (int i = 0; i < s->run.sites; i++)
        if (s->run.chosen[i] && nth-- == 0) return s->run.site[i];
    return NULL;
}
