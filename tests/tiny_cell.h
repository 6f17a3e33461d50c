/* A cell that trains in a fraction of a second: a tiny BERT folder with random weights and letters as vocabulary, a
 * generated task, few examples. */
#ifndef PG_TESTS_TINY_CELL_H
#define PG_TESTS_TINY_CELL_H

#include "bench/trainer.h"

/* Folder with config.json, vocab.txt and model.safetensors; made on first use, removed when the process ends. */
const char *tiny_model(void);

struct tiny_cell {
    struct arena *arena;
    struct cell cell; /* change .train and the method before running */
};
/* method with its default options, task by name; 48 training and 21 dev examples, 2 epochs of batches of 16. */
void tiny_cell_make(struct tiny_cell *, const char *method, const char *task);
void tiny_cell_free(struct tiny_cell *);
void tiny_option(struct tiny_cell *, const char *name, const char *value); /* of the method */
void tiny_train(struct tiny_cell *, const char *name, const char *value);  /* of the trainer */

/* Runs it below runs_dir and reads its record (NULL: none was written). */
status tiny_run(struct tiny_cell *, const char *runs_dir, struct record *, int *skipped);

#endif
