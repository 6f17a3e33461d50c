/* Scoring a tokenised set: what a session answers to every sequence, whatever the kind of task.
 *
 *   kind          outputs of a sequence                       mean loss
 *   TASK_CLASSES  logits, or the value                        of the examples
 *   TASK_LM       loss of its target tokens in nats, summed   of the target tokens
 *   TASK_CHOICE   scores of the letters A to D                -log p of the right letter among all tokens
 *
 * Results do not depend on eval_batch, on the reuse of shared beginnings, or on where an earlier process stopped. */
#ifndef PG_BENCH_SCORING_H
#define PG_BENCH_SCORING_H

#include "bench/eval_log.h"
#include "bench/session.h"

struct scoring {
    struct session *session;
    struct tokenizer *tokenizer; /* TASK_CHOICE, and to write texts */
    const struct task *task;     /* of the set */
    const struct tokens *tokens; /* TASK_CHOICE: with rows */
    const char *set_name, *variant_name;
    int variant, eval_batch;
    long step;            /* for the log */
    bool apart;           /* TASK_CHOICE: compute every prompt by itself (tests; the same bits, slower) */
    struct eval_log *log; /* NULL: none */
    /* Sequences scored, of those that no earlier process scored; may be NULL. */
    void (*progress)(void *ctx, int done, int total);
    void *ctx;
};

int score_outputs(const struct task *);
/* outputs [n, score_outputs] and loss (NULL: not wanted) from the arena. */
status score_set(const struct scoring *, struct arena *, float **outputs, double *loss);
/* pred [n] as metrics take them: class, value, choice or loss. */
void score_predictions(const struct task *, const float *outputs, int n, float *pred);

/* Inside: one file a kind. values: TASK_LM [n]; TASK_CHOICE [n, 5]: four scores and the loss. */
status score_losses(const struct scoring *, float *values);
status score_choices(const struct scoring *, float *values);

/* Greedy texts for the set's different prompts (task->generation), and their BLEU and NIST against all completions of
 * the prompt. texts[prompts], from the arena, valid UTF-8; first[k]: the first row of prompt k. */
struct written {
    const char **text, **prompt;
    int prompts;
    double bleu, nist;
};
status score_texts(const struct scoring *, struct arena *, struct written *);

/* Tokens in one evaluation pass, above which it gets no further sequence. */
enum { SCORE_TOKENS = 4096 };

/* Sequences that an earlier process scored: fills their values (words each) and marks them. *left: the others. */
status score_recall(const struct scoring *, int words, struct arena *, float *values, bool **done, int *left);
/* Notes the values of a sequence in the log. */
status score_note(const struct scoring *, int index, const float *values, int words);

#endif
