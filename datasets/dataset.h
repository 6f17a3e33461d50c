/* Data sets: rows of text with a label. A task knows its columns, label names and metrics; GLUE's, MMLU and the
 * language model tasks are built in, mini's are generated, a user's are a section of the experiment file. */
#ifndef PG_DATASETS_DATASET_H
#define PG_DATASETS_DATASET_H

#include <stdbool.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/option.h"
#include "core/status.h"
#include "datasets/tokenizer.h"

enum { TASK_METRICS = 4, TASK_SETS = 7, TASK_LABELS = 64 };

enum task_kind {
    TASK_CLASSES, /* a class or, with labels == 1, a number for each row: a classifier on an encoder */
    TASK_LM,      /* text to continue: the loss is that of the target tokens, the head a language model's */
    TASK_CHOICE   /* a question with lettered answers, chosen by the language model's next token; is only evaluated */
};

struct rows {
    int n;
    const char **a, **b; /* texts; b NULL: single sentences. TASK_LM: prompt (may be "") and completion. TASK_CHOICE:
                            the question as it is asked, and all that stands before it (datasets/mmlu.h) */
    float *label;        /* class index or value; NULL: unlabelled */
    const char **row_id; /* the index column of test files ("0", "1" ...); NULL: row number from 0 */
    int *group;          /* TASK_CHOICE: the subject, an index into mmlu_subject_table; else NULL */
};

enum set_kind { SET_TRAIN, SET_DEV, SET_TEST };
struct task_set {
    const char *name; /* "train", "dev", "dev_matched", "test", "test_mismatched", "ax" */
    enum set_kind kind;
    const char *file;       /* below the task's folder ("a|b": the first that exists); NULL: generated */
    const char *submission; /* test sets: the GLUE submission's file name "MNLI-m.tsv"; else NULL */
};

struct token_sink;

struct task {
    const char *name, *summary, *source;
    enum task_kind kind;
    const char *dir;                     /* folder below the data root: "CoLA" */
    int labels;                          /* classes; 1: regression */
    const char *label_name[TASK_LABELS]; /* as in the files and in submissions */
    double lo, hi;                       /* regression: range of labels */
    bool pair;
    const char *metric[TASK_METRICS]; /* names in metrics.h; [0] is the main one */
    bool main_is_mean; /* main score = mean of all metrics (STS-B, and MNLI's two dev sets by eval set) */
    int max_len;       /* default maximum length in tokens (METHODS 5.3) */
    struct task_set set[TASK_SETS + 1]; /* ends with name NULL */
    double achievable;                  /* mini: the documented score of a perfect rule-follower; 0: unknown */
    /* Reads one set. data_root: folder of the experiment's `data` option; max_examples: 0 = all, else the first n of a
     * fixed shuffle-free prefix. A bad row fails with file, line and column, unless the official file is known to hold
     * it. */
    status (*load)(const struct task *, const struct task_set *, const char *data_root, int max_examples,
                   struct arena *, struct rows *);
    /* How rows become token sequences; NULL: one sequence a row, as tokenizer_build makes it. TASK_LM: type 1 marks the
     * tokens whose prediction is trained and measured, and a sequence's label is their number. */
    status (*tokenise)(const struct task *, struct tokenizer *, const struct rows *, int max_len, struct token_sink *);
    const char *token_key;               /* what in priv decides tokens: part of the cache key; NULL: nothing */
    const struct task *benchmark;        /* TASK_LM: a TASK_CHOICE that is evaluated too and gives the score; or NULL */
    const char *benchmark_name;          /* its name while the section that defines it is still to be read */
    const struct generation *generation; /* TASK_LM: dev prompts are continued at the last evaluation; NULL: not */
    const void *priv;                    /* the family's: columns, templates, protocol */
};

/* Greedy continuation of the dev set's prompts, compared with all completions that the set holds for the prompt. */
struct generation {
    int max_new;     /* tokens at most; the end token ends it sooner */
    int max_prompts; /* first n different prompts; 0: all */
};

/* Where a set's file (MMLU: folder) lies: <data_root>/<dir>/<file>, or <data_root>/glue/<dir>/<file> where only that
 * exists; user tasks: beside the experiment file, whatever data_root. *path = NULL for generated sets. The file need
 * not exist; without a data_root where one is needed it fails. */
status task_set_path(const struct task *, const struct task_set *, const char *data_root, struct arena *,
                     const char **path);
const struct task_set *task_set_find(const struct task *, const char *name); /* NULL: none */

extern const struct task *const task_table[]; /* built-in ones; NULL-terminated (datasets/task_table.c) */
const struct task *task_find(const char *name);

/* A user's task from key/value pairs of an INI section [task NAME] (datasets/usertask.c, docs/ADD_A_TASK.md):
 *
 *   format = tsv | csv | jsonl
 *   train, dev, test = FILE        relative to the experiment file's folder; train and dev are required
 *   header = yes | no              yes: the first line names the columns (default); no: columns are numbers from 1
 *   text_a, text_b, label, id      columns (jsonl: keys); text_b and id may be left out; id is used for test files
 *   label_names = a, b, c          as they stand in the file, in the order of class numbers
 *   regression = yes               instead of label_names: labels are numbers, within lo..hi when given
 *   metric = accuracy, f1          the first one is the main one; default accuracy, or pearson, spearman
 *   max_len = N                    default 128
 *   summary = TEXT
 *
 * A section with a style is a language-model task (datasets/lm.h), one with format = mmlu asks MMLU (datasets/mmlu.h);
 * they have options of their own.
 *
 * Errors begin with "file:line: "; a misspelt key gets a suggestion. Keys of the section that are not in
 * usertask_option_table (training options) are the caller's: it passes only the rest. ini_path: the file of the
 * section's heading. */
struct key_value {
    const char *key, *value, *path; /* path: the file it stands in */
    int line;
};
/* "file:line" of a key, for messages; of the first key where it is absent, `otherwise` where there is none. */
const char *key_place(const struct key_value *, int count, const char *key, const char *otherwise, struct arena *);
/* A file as a key names it: below the folder of the experiment file the key stands in, unless absolute. NULL: no
 * memory. */
const char *key_file(const struct key_value *, int count, const char *key, const char *file, struct arena *);

extern const struct option usertask_option_table[];
status usertask_make(const char *name, const struct key_value *, int count, const char *ini_path, struct arena *,
                     struct task **);

/* ---- tokenised sets ------------------------------------------------------------------------------------------- */

/* A tokenised set, mapped from one cache file keyed by SHA-256 of (texts and labels of the rows, tokenizer, max_len,
 * format version). Shared by processes. */
struct tokens {
    int n;
    const uint64_t *offset; /* [n+1] into ids */
    const int32_t *ids;
    const uint8_t *types; /* [offset[n]]; TASK_LM: 1 for target tokens */
    const float *label;   /* [n]; NULL: unlabelled; TASK_LM: target tokens of the sequence */
    int longest;
    int truncated;      /* rows that were cut to max_len */
    char data_hash[65]; /* of the rows (texts and labels) */
    char key[65];       /* of the cache file */
    struct rows rows;   /* the texts (arena) when want_rows, for predictions and inspection; else zero */
    void *priv;         /* the map */
};
/* cache_dir NULL: keep in memory only (in the arena). A damaged or foreign cache file is rebuilt with a notice, and a
 * cache that cannot be written only gives one. After a failure *out is zero. */
status tokens_load(const struct task *, const struct task_set *, const char *data_root, int max_examples,
                   struct tokenizer *, int max_len, const char *cache_dir, bool want_rows, struct arena *,
                   struct tokens *);
void tokens_close(struct tokens *);

/* For task->tokenise: the next sequence. types NULL: all 0; label: of the sequence, kept where the rows are labelled or
 * the task is a TASK_LM; cut: it was shortened to fit. */
status token_sink_add(struct token_sink *, const struct ids *ids, const struct ids *types, float label, bool cut);

/* Writes predictions of a test set in GLUE submission form ("index<TAB>prediction", label names, STS-B clipped to 0..5
 * with three decimals; AX and MNLI names), atomically. value: class index or regression value. */
status submission_write(const struct task *, const struct task_set *, const struct rows *, const float *value,
                        const char *path);

#endif
