/* Hyper-parameters chosen on seeds of their own. The values of a section [tune R] are all run on the seeds of `tune`;
 * the value with the best mean score there is the one that is run and reported on `seeds`. A choice is made for each
 * task, or with tune_tasks once for all, from the mean over these. With tune_margin it
 * falls on the fewest bit operations among the values that score nearly as well as the best. Nothing is chosen before
 * every record is there. */
#ifndef PG_BENCH_TUNING_H
#define PG_BENCH_TUNING_H

#include "bench/experiment.h"
#include "bench/run_list.h"

struct tuning_choice {
    const char *row, *task; /* task NULL: for all tasks */
    const char *tuned;      /* "lr=0.001"; NULL: not chosen yet */
    int values, runs;       /* tried values; runs that take */
    int missing;            /* of these, records that are not there */
    double seconds;         /* of training and evaluation in the runs that are there */
    const char *text;       /* all of it in words, with every value's score */
};
struct tuning {
    struct tuning_choice *choice;
    int choices, undecided;
};

/* list: the records of e->runs_dir. Of tuned rows only the chosen cells stay in e->cell, with cell.tuning; none where
 * nothing is chosen yet, or where every value diverged. */
status tuning_choose(struct experiment *e, const struct run_list *list, struct arena *, struct tuning *);
/* The same, reading the records; a folder that is not there holds none. */
status tuning_read(struct experiment *e, struct arena *, struct tuning *);

/* How many cells will be left in e->cell. */
int tuning_cells_after(const struct experiment *);

#endif
