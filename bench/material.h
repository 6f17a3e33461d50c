/* The runs a table or a figure is made of: those of an experiment's cells, or all that lie in a folder or a merged
 * file.
 */
#ifndef PG_BENCH_MATERIAL_H
#define PG_BENCH_MATERIAL_H

#include "bench/run_list.h"

enum { MATERIAL_NOTES = 64 };
struct material {
    struct run *run; /* in the order rows and columns shall have; cells without a record are RUN_MISSING */
    int count;
    const char *name;                 /* short, fit for a file name: the experiment's, or the folder's or file's */
    const char *title;                /* with the description */
    const char *caption;              /* for figures: the title, but never a path */
    const char *note[MATERIAL_NOTES]; /* ends with NULL */
    int notes;
};

enum {
    MATERIAL_DETAILS = 1, /* as for run_list_read */
    MATERIAL_TUNING = 2   /* of an experiment: the runs on its tuning seeds, instead of those that are reported */
};

/* where: an experiment (file or name), a folder of records or a merged file. runs: "" or, for an experiment, where its
 * records lie instead: a folder that holds one of the experiment's name, or a merged file. metric: as for
 * run_list_read. what: of the flags above. */
status material_gather(const char *where, const char *runs, const char *metric, int what, struct arena *,
                       struct material *);

#endif
