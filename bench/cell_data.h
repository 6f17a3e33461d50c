/* The data of a cell: its tokenizer, its training set and all its dev sets as token ids, the halves of protocol
 * `split`, and one hash over all of it. */
#ifndef PG_BENCH_CELL_DATA_H
#define PG_BENCH_CELL_DATA_H

#include "bench/experiment.h"

struct cell_set {
    const struct task_set *set;
    struct tokens tokens;
    unsigned char *half; /* [n] 0: chooses, 1: reports; the same for every seed and method */
};

struct cell_data {
    struct tokenizer *tokenizer;
    struct cell_set train;
    struct cell_set dev[TASK_SETS];
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
