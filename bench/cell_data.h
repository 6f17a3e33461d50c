/* The data of a cell: its tokenizer, its training set, all its dev sets and those of its benchmark as token ids, the
 * halves of protocol `split`, and one hash over all of it. */
#ifndef PG_BENCH_CELL_DATA_H
#define PG_BENCH_CELL_DATA_H

#include "bench/experiment.h"

struct cell_set {
    const struct task *task; /* the cell's, or its benchmark */
    const struct task_set *set;
    const char *name;     /* the set's, a benchmark's the task's */
    bool scores;          /* the run's score is of this set: all dev sets, or with a benchmark only that */
    struct tokens tokens; /* with rows for TASK_CHOICE and where texts are written */
    unsigned char *half;  /* [n] 0: chooses, 1: reports; the same for every seed and method */
};

enum { CELL_SETS = 2 * TASK_SETS };
struct cell_data {
    struct tokenizer *tokenizer;
    struct cell_set train; /* .set NULL: the task is only evaluated */
    struct cell_set dev[CELL_SETS];
    int devs;
    char hash[65]; /* over the sets used */
};

/* Loads (or maps from the cache) what the cell trains and is evaluated on. cell_data_close is due also after a failure.
 */
status cell_data_load(const struct cell *, const char *cache_dir, struct arena *, struct cell_data *);
void cell_data_close(struct cell_data *);

/* Maximum length in tokens: the cell's, else the task's. */
int cell_max_len(const struct cell *);
/* Real tokens of a whole set. */
long long tokens_total(const struct tokens *);

#endif
