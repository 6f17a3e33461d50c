/* The state of a running cell on disk, so that a killed or stopped run goes on with the bits of an undisturbed one:
 * tensors and moments, curves, evaluations and traces so far. All that a method remembers is in the registry, the rest
 * of a run is a function of seed and step.
 *
 * <id>.ckpt lies beside where the record will be, <id>.ckpt.1 is the one before; both go when the record is there.
 * Taken between steps and evaluations, where nothing is half done. Bound to the run's id, and so to data and numerics.
 */
#ifndef PG_BENCH_RUN_KEEPER_H
#define PG_BENCH_RUN_KEEPER_H

#include <stdbool.h>
#include "bench/train_options.h"
#include "core/arena.h"
#include "core/status.h"

struct training;

#define CHECKPOINT_ENDING ".ckpt" /* of its file, behind the run's id */
#define CHECKPOINT_BEFORE_ENDING CHECKPOINT_ENDING ".1"

struct run_keeper {
    const char *path, *previous;
    const char *id, *label; /* of the run; of the cell, for notices */
    int every_steps;        /* 0: not by steps */
    double every_seconds;   /* 0: not by time */
    long step;              /* that the file is of; -1: there is none that is good */
    double written, took;   /* when, and how long it took */
};

/* For a run of that id in a folder. force: what an earlier process left is removed. Removes what writes that were
 * killed have left half done. */
status run_keeper_open(struct run_keeper *, const char *folder, const char *id, const char *label,
                       const struct train_options *, bool force, struct arena *);

/* Takes up what an earlier process left, if anything: the training is then as it was there. A checkpoint that cannot be
 * used is told of in a notice, and the one before is taken, or the start. Fails only without memory. */
status run_keeper_resume(struct run_keeper *, struct training *);

/* Between two steps: writes a checkpoint when it is time to, or when `now`. A failure is told in a notice: a run does
 * not end because the disk is full. */
void run_keeper_step(struct run_keeper *, struct training *, bool now);

/* The run was asked to stop (status_message() says why): keeps its state and returns ST_INTERRUPTED with a sentence
 * that says how it goes on. */
status run_keeper_stop(struct run_keeper *, struct training *);

/* The run has its record. */
void run_keeper_remove(const struct run_keeper *);

#endif
