/* Room on the disk for what a grid writes, looked at before hours are spent on it. */
#ifndef PG_BENCH_DISK_ROOM_H
#define PG_BENCH_DISK_ROOM_H

#include "bench/experiment.h"

/* Bytes of the records of the chosen cells and of the checkpoints of `jobs` of them at a time: the parameters that the
 * largest of them trains, counted on the model's shape. Parameters that cannot be counted are none. */
status disk_room_estimate(const struct experiment *, const int *index, int count, int jobs, struct arena *,
                          double *bytes);
/* ST_IO, with a sentence, when the disk of the runs folder, which is made, has less than that. */
status disk_room_check(const struct experiment *, const int *index, int count, int jobs, struct arena *);

#endif
