#include "bench/pretrain.h"

#include "bench/schedule.h"
#include "bench/session.h"
#include "core/lap.h"
#include "core/parallel.h"

#define FIELD(x) offsetof(struct pretrain_options, x)
const struct option pretrain_option_table[] = {
    {"config", OPT_STRING, FIELD(config), 0, 0, NULL, "FOLDER", "where config.json is (weights there are not read)", 0},
    {"tokenizer", OPT_STRING, FIELD(tokenizer), 0, 0, "mini", "FOLDER", "a model folder, or mini", 0},
    {"text", OPT_STRING, FIELD(text), 0, 0, "mini", "FILE", "one text a line, pairs with a TAB between; or mini", 0},
    {"out", OPT_STRING, FIELD(out), 0, 0, NULL, "FOLDER", "folder to write", 0},
    {"steps", OPT_INT, FIELD(steps), 1, 100000000, "4000", "N", "optimiser steps", 0},
    {"batch", OPT_INT, FIELD(batch), 1, 65536, "32", "N", "texts a step", 0},
    {"max-len", OPT_INT, FIELD(max_len), 4, 65536, "128", "N", "longest text in tokens", 0},
    {"warmup", OPT_INT, FIELD(warmup), 0, 100000000, "200", "N", "warm-up steps", 0},
    {"schedule", OPT_ENUM, FIELD(schedule), 0, 0, "linear", SCHEDULE_CHOICES, "learning-rate schedule", 0},
    {"lr", OPT_REAL, FIELD(lr), 0, 10, "1e-3", "X", "learning rate", 0},
    {"weight-decay", OPT_REAL, FIELD(weight_decay), 0, 1, "0.01", "X", "decoupled weight decay", 0},
    {"clip", OPT_REAL, FIELD(clip), 0, 1e9, "1", "X", "largest gradient norm; 0: no clipping", 0},
    {"beta1", OPT_REAL, FIELD(beta1), 0, 1, "0.9", "X", "AdamW", 0},
    {"beta2", OPT_REAL, FIELD(beta2), 0, 1, "0.98", "X", "AdamW", 0},
    {"eps", OPT_REAL, FIELD(eps), 1e-12, 1, "1e-6", "X", "AdamW", 0},
    {"mask", OPT_REAL, FIELD(mask), 0.01, 0.9, "0.15", "X", "part of the tokens that are targets", 0},
    {"hidden-dropout", OPT_REAL, FIELD(hidden_dropout), -1, 0.9, "-1", "X", "-1: the config's", 0},
    {"attn-dropout", OPT_REAL, FIELD(attn_dropout), -1, 0.9, "-1", "X", "-1: the config's", 0},
    {"seed", OPT_LONG, FIELD(seed), 0, 9007199254740992.0, "1", "N", "of weights, text, masks and dropout", 0},
    {"dtype", OPT_ENUM, FIELD(dtype), 0, 0, "f32", WEIGHTS_DTYPES, "of the written weights", 0},
    {"keep-head", OPT_BOOL, FIELD(keep_head), 0, 0, "no", NULL, "write the language-modelling head too", 0},
    {"threads", OPT_INT, FIELD(threads), 0, 1024, "0", "N", "0: all cores; the result does not depend on it", 0},
    {"log-steps", OPT_INT, FIELD(log_steps), 1, 100000000, "500", "N", "a line every N steps", 0},
    OPT_END};

struct pretraining {
    const struct pretrain_options *o;
    struct session session;
    struct tokenizer *tokenizer;
    struct pretrain_text text;
    struct progress *progress;
    double window_loss; /* since the last line */
    double late_loss;   /* of the last tenth of the steps */
    int late_steps;
    uint64_t tokens;
};

static status open_all(struct pretraining *p, struct arena *arena)
{
    const struct pretrain_options *o = p->o;
    const struct method *method = method_find("full_ft");
    FAIL_IF(!method, ST_INTERNAL, "this build lacks the method full_ft");
    void *options;
    TRY(option_new(method->options, method->option_size, arena, &options));
    TRY(tokenizer_open(o->tokenizer, arena, &p->tokenizer));
    FAIL_IF(p->tokenizer->mask < 0, ST_INPUT, "%s: the tokenizer has no mask token", o->tokenizer);
    TRY(pretrain_text_open(o->text, (uint64_t)o->seed, arena, &p->text));
    const struct session_spec spec = {.model = {.path = o->config,
                                                .head = HEAD_MLM,
                                                .random = 1,
                                                .cls_dropout = -1,
                                                .hidden_dropout = o->hidden_dropout,
                                                .attn_dropout = o->attn_dropout,
                                                .train_pooler = -1},
                                      .method = method,
                                      .method_options = options,
                                      .seed = (uint64_t)o->seed,
                                      .total_steps = (uint64_t)o->steps};
    TRY(session_open(&spec, &p->session));
    int vocab = p->session.model->config.vocab;
    FAIL_IF(vocab < p->tokenizer->vocab, ST_INPUT, "%s/config.json: vocab_size is %d, but the tokenizer has %d tokens",
            o->config, vocab, p->tokenizer->vocab);
    return ST_OK;
}

static void close_all(struct pretraining *p)
{
    session_close(&p->session);
    pretrain_text_close(&p->text);
    tokenizer_close(p->tokenizer);
}

static status one_step(struct pretraining *p, int step, struct arena *arena, double *loss)
{
    const struct pretrain_options *o = p->o;
    struct session *s = &p->session;
    struct batch batch;
    double penalty, norm;
    const struct adamw adamw = {
        .form = ADAMW_TORCH, .beta1 = o->beta1, .beta2 = o->beta2, .eps = o->eps, .weight_decay = o->weight_decay};
    *loss = 0;
    TRY(pretrain_batch(o, p->tokenizer, &p->text, &s->rng, (uint64_t)step, arena, &batch));
    p->tokens += (uint64_t)batch.tokens;
    if (batch.step_examples == 0) return ST_OK; /* no token became a target */
    TRY(session_micro(s, &batch, (uint64_t)step, 0, loss));
    double lr = schedule_rate((enum schedule)o->schedule, o->lr, o->warmup, o->steps, step);
    return session_update(s, &adamw, lr, o->clip, (uint64_t)step, &penalty, &norm);
}

static void report(struct pretraining *p, int done, double loss)
{
    const struct pretrain_options *o = p->o;
    double elapsed = clock_seconds() - p->progress->started;
    char left[32];
    p->window_loss += loss;
    if (done > o->steps - (o->steps + 9) / 10) {
        p->late_loss += loss;
        p->late_steps++;
    }
    progress_time(progress_eta(done, o->steps, elapsed), left, sizeof left);
    progress_status(p->progress, "step %d of %d, loss %.3f, %s left", done, o->steps, loss, left);
    if (done % o->log_steps != 0) return;
    progress_say(p->progress, "step %d of %d: loss %.4f, %.0f tokens/s", done, o->steps, p->window_loss / o->log_steps,
                 (double)p->tokens / elapsed);
    p->window_loss = 0;
}

static status train(struct pretraining *p, struct arena *arena)
{
    for (int step = 0; step < p->o->steps; step++) {
        double loss;
        struct arena_mark mark = arena_mark(arena);
        status st = one_step(p, step, arena, &loss);
        arena_reset(arena, mark);
        if (st != ST_OK) return st;
        report(p, step + 1, loss);
    }
    return ST_OK;
}

status pretrain_run(const struct pretrain_options *o, struct progress *progress, struct arena *arena,
                    struct pretrain_result *result)
{
    struct pretraining p = {.o = o, .progress = progress};
    parallel_set_threads(o->threads);
    status st = open_all(&p, arena);
    if (st == ST_OK) st = train(&p, arena);
    progress_end(progress);
    if (st == ST_OK) st = pretrain_save(o, p.session.model, arena);
    *result = (struct pretrain_result){.loss = p.late_steps ? p.late_loss / p.late_steps : 0,
                                       .seconds = clock_seconds() - progress->started,
                                       .tokens = p.tokens};
    close_all(&p);
    return st;
}
