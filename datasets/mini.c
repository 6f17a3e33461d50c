/* The mini tasks: fixed sets of generated rows. Rows of one task come from one stream of draws, dev first, then test,
 * then train; a text that was there before is left out, so no row is in two sets. Class labels follow a fixed pattern
 * in random rotation, so their proportions are exact. */
#include "datasets/mini.h"

#include <string.h>
#include "core/text.h"

enum { DEV_ROWS = 500, TEST_ROWS = 500, TRAIN_ROWS = 1600, SEEN = 1 << 13 /* slots; more than twice the rows */ };

struct plan {
    mini_row_fn *row;
    int period, pattern[4]; /* labels of `period` consecutive rows */
};

struct stream {
    const struct plan *plan;
    struct draw draw;
    struct rng rng;
    uint64_t candidates;
    int accepted, rotation;
    unsigned long long *seen; /* open addressing; 0: free */
};

static bool seen_before(struct stream *s, const struct line *a, const struct line *b)
{
    char both[2 * MINI_LINE];
    snprintf(both, sizeof both, "%s\t%s", a->s, b->s);
    unsigned long long h = text_hash64(both) | 1;
    unsigned at = (unsigned)(h >> 20) % SEEN;
    for (; s->seen[at]; at = (at + 1) % SEEN)
        if (s->seen[at] == h) return true;
    s->seen[at] = h;
    return false;
}

static void next_row(struct stream *s, struct line *a, struct line *b, float *label)
{
    const struct plan *p = s->plan;
    int place = s->accepted % p->period;
    for (bool taken = false; !taken;) {
        s->draw.index = s->candidates++;
        s->draw.at = 0;
        if (place == 0) s->rotation = draw_below(&s->draw, p->period);
        int target = p->pattern[(place + s->rotation) % p->period];
        *a = *b = (struct line){.n = 0};
        taken = p->row(&s->draw, target, a, b, label) && !seen_before(s, a, b);
    }
    s->accepted++;
}

static status keep_row(const struct task *task, const struct line *a, const struct line *b, int i, struct arena *arena,
                       struct rows *rows)
{
    size_t na = (size_t)a->n + 1, nb = task->pair ? (size_t)b->n + 1 : 0;
    char *copy = arena_alloc(arena, na + nb);
    if (!copy) return ST_MEMORY;
    memcpy(copy, a->s, na);
    rows->a[i] = copy;
    if (task->pair) rows->b[i] = memcpy(copy + na, b->s, nb);
    return ST_OK;
}

static status mini_load(const struct task *task, const struct task_set *set, const char *data_root, int max_examples,
                        struct arena *arena, struct rows *rows)
{
    (void)data_root;
    static const int first[] = {[SET_DEV] = 0, [SET_TEST] = DEV_ROWS, [SET_TRAIN] = DEV_ROWS + TEST_ROWS};
    static const int size[] = {[SET_DEV] = DEV_ROWS, [SET_TEST] = TEST_ROWS, [SET_TRAIN] = TRAIN_ROWS};
    struct stream s = {.plan = task->priv};
    int n = size[set->kind], begin = first[set->kind];
    if (max_examples > 0 && max_examples < n) n = max_examples;
    s.draw = (struct draw){.rng = &s.rng, .who = text_hash32(task->name)};
    ZNEW(s.seen, arena, SEEN);
    *rows = (struct rows){.n = n};
    NEW(rows->a, arena, n);
    if (task->pair) NEW(rows->b, arena, n);
    NEW(rows->label, arena, n);
    for (int i = 0; i < begin + n; i++) {
        struct line a, b;
        float label;
        next_row(&s, &a, &b, &label);
        if (i < begin) continue;
        rows->label[i - begin] = label;
        TRY(keep_row(task, &a, &b, i - begin, arena, rows));
    }
    return ST_OK;
}

#define MINI_SOURCE "generated, docs/MINI.md"
#define MINI_SETS(task) \
    { \
        {"train", SET_TRAIN, NULL, NULL}, {"dev", SET_DEV, NULL, NULL}, \
        { \
            "test", SET_TEST, NULL, task ".tsv" \
        } \
    }

const struct task mini_cola = {
    .name = "mini_cola",
    .summary = "is the generated sentence well-formed?",
    .source = MINI_SOURCE,
    .labels = 2,
    .label_name = {"unacceptable", "acceptable"},
    .metric = {"matthews"},
    .max_len = 64,
    .set = MINI_SETS("mini_cola"),
    .achievable = 1,
    .load = mini_load,
    .priv = &(const struct plan){mini_cola_row, 2, {0, 1}},
};

const struct task mini_mrpc = {
    .name = "mini_mrpc",
    .summary = "do two generated sentences say the same?",
    .source = MINI_SOURCE,
    .labels = 2,
    .label_name = {"different", "equivalent"},
    .pair = true,
    .metric = {"accuracy", "f1"},
    .max_len = 64,
    .set = MINI_SETS("mini_mrpc"),
    .achievable = 1,
    .load = mini_load,
    .priv = &(const struct plan){mini_mrpc_row, 3, {0, 1, 1}},
};

const struct task mini_rte = {
    .name = "mini_rte",
    .summary = "does the first generated sentence entail the second?",
    .source = MINI_SOURCE,
    .labels = 2,
    .label_name = {"entailment", "not_entailment"},
    .pair = true,
    .metric = {"accuracy"},
    .max_len = 96,
    .set = MINI_SETS("mini_rte"),
    .achievable = 1,
    .load = mini_load,
    .priv = &(const struct plan){mini_rte_row, 2, {0, 1}},
};

const struct task mini_sst2 = {
    .name = "mini_sst2",
    .summary = "is the generated review positive? negation, degree, contrast",
    .source = MINI_SOURCE,
    .labels = 2,
    .label_name = {"negative", "positive"},
    .metric = {"accuracy"},
    .max_len = 64,
    .set = MINI_SETS("mini_sst2"),
    .achievable = 1,
    .load = mini_load,
    .priv = &(const struct plan){mini_sst2_row, 2, {0, 1}},
};

const struct task mini_stsb = {
    .name = "mini_stsb",
    .summary = "similarity of two generated sentences from 0 to 5",
    .source = MINI_SOURCE,
    .labels = 1,
    .lo = 0,
    .hi = 5,
    .pair = true,
    .metric = {"pearson", "spearman"},
    .main_is_mean = true,
    .max_len = 64,
    .set = MINI_SETS("mini_stsb"),
    .achievable = 1,
    .load = mini_load,
    .priv = &(const struct plan){mini_stsb_row, 1, {0}},
};
