/* MMLU (Hendrycks et al. 2021): 57 subjects of four-choice questions, answered by a language model's next token. Three
 * ways to ask and to average are in use, and their numbers differ by points; each is a protocol by name (METHODS 6):
 *
 *   protocol   header          question    scored                          too long            average
 *   hendrycks  two spaces      as it is    log-probability of " A".." D"   fewer shots         micro: all questions
 * alike qlora      two spaces      as it is    logit of "A".."D"               the end is cut off  macro: all subjects
 * alike lm-eval    one space       trimmed     log-probability of " A".." D"   the start is cut    micro; anatomy is
 * STEM
 *
 * The header names the subject ("two spaces": the original code writes "about  anatomy"); then come the shots, the
 * first rows of the dev file with their answers, then the question. `qlora` puts the begin token first where the
 * tokenizer has one; the others do what the tokenizer does by itself (Llama's begins so, byte-level BPE does not).
 *
 * Cells of the CSV files are text as it stands. (The original reads them with pandas, which turns a cell "None" to nan
 * and "1.0" to a number; that is not imitated.) */
#ifndef PG_DATASETS_MMLU_H
#define PG_DATASETS_MMLU_H

#include "datasets/dataset.h"

enum { MMLU_SUBJECTS = 57, MMLU_CATEGORIES = 4, MMLU_CHOICES = 4, MMLU_SHOTS = 5 };

struct mmlu_subject {
    const char *name; /* as in the file names: "abstract_algebra" */
    int category;     /* Hendrycks et al.'s */
};
extern const struct mmlu_subject mmlu_subject_table[MMLU_SUBJECTS]; /* by name */
extern const char *const mmlu_category_name[MMLU_CATEGORIES];       /* STEM, humanities, social sciences, other */
int mmlu_subject_find(const char *name);                            /* -1: unknown */

#define MMLU_PROTOCOLS "hendrycks|qlora|lm-eval"
enum mmlu_protocol { MMLU_HENDRYCKS, MMLU_QLORA, MMLU_LM_EVAL };
enum mmlu_bos { MMLU_BOS_AUTO, MMLU_BOS_NO, MMLU_BOS_YES };

struct mmlu { /* task->priv */
    enum mmlu_protocol protocol;
    int shots; /* 0 .. MMLU_SHOTS */
    enum mmlu_bos bos;
    bool left_out[MMLU_SUBJECTS];
};
const struct mmlu *mmlu_of(const struct task *); /* NULL: not an MMLU task */

/* The category in which a protocol counts a subject: lm-eval moves anatomy to STEM. */
int mmlu_category(enum mmlu_protocol, int subject);

/* Rows of <root>/mmlu/<set>: of each subject in table order all questions, or the first max_examples. a: the question
 * with its choices, ending in "Answer:"; b: header and shots, each ended by MMLU_MARK; label 0..3; group: subject. A
 * bad row fails with file, line and column. */
enum { MMLU_MARK = 0x1e };
status mmlu_load(const struct task *, const struct task_set *, const char *data_root, int max_examples, struct arena *,
                 struct rows *);

/* The text of one row's prompt with the first `shots` shots of those it holds. Replaces *out. */
status mmlu_prompt(const char *before, const char *question, int shots, struct text *out);

/* One sequence a row, at most max_len tokens, by the protocol's truncation rule. */
status mmlu_tokenise(const struct task *, struct tokenizer *, const struct rows *, int max_len, struct token_sink *);

/* The tokens whose scores are compared. ST_UNSUPPORTED when a letter is not one token. */
status mmlu_letters(const struct mmlu *, struct tokenizer *, int32_t id[MMLU_CHOICES]);

extern const struct task mmlu_test, mmlu_test_5shot, mmlu_val, mmlu_val_5shot; /* lm-eval protocol */

/* A user's task from the section [task NAME] with format = mmlu (see usertask_make). */
extern const struct option mmlu_option_table[];
status mmlu_make(const char *name, const struct key_value *, int count, const char *ini_path, struct arena *,
                 struct task **);

#endif
