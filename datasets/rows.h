/* From records of a tabular file to rows of a task: which column is what, what a label means, what counts as a bad row.
 */
#ifndef PG_DATASETS_ROWS_H
#define PG_DATASETS_ROWS_H

#include "datasets/dataset.h"
#include "datasets/tabfile.h"

struct columns {
    const char *a, *b, *label, *id; /* column names ("x|y": alternatives) or numbers from 1; NULL: none */
    bool label_optional;            /* no such column or key in the first record: the rows are unlabelled */
    int width;              /* fields a record of a file without header must have; 0: as many as the first one has */
    bool skip_short;        /* the official file is known to hold records with missing fields: skipped and counted */
    bool empty_text;        /* the official file is known to hold empty texts: kept, as in Hugging Face */
    const char *skip_label; /* a label that stands for "no label": the row is skipped and counted; NULL: none */
};

/* Reads all records (max > 0: until max rows are there) as rows of the task: labels by task->label_name or, for
 * regression, numbers within lo..hi (no limits when both are 0). rows->b is NULL without columns->b, rows->label
 * without columns->label, rows->row_id without columns->id. A bad row fails with file, line, column and what was
 * expected; skipped rows give one notice. */
status rows_read(struct tabfile *, const struct columns *, const struct task *, int max, struct arena *, struct rows *);

#endif
