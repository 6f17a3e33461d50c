/* The ids of cells without training them: model, tokenizer and data hashes, each taken once for the cells that share
 * it. */
#ifndef PG_BENCH_CELL_NAME_H
#define PG_BENCH_CELL_NAME_H

#include "bench/experiment.h"

struct cell_namer;
status cell_namer_open(const char *cache_dir, struct arena *, struct cell_namer **);
status cell_name(struct cell_namer *, const struct cell *, char id[65]);
void cell_namer_close(struct cell_namer *); /* NULL is fine */

#endif
