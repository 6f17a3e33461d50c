/* Where the time of a step goes, for `peftgrid bench`: a stopwatch whose laps are the components of a training step.
 * Code that is a component says so with lap_begin and lap_end, on the thread that runs the pass and outside of
 * parallel_for; while nobody has started the watch both do nothing. Times are exclusive: they add up to the whole. */
#ifndef PG_CORE_LAP_H
#define PG_CORE_LAP_H

double clock_seconds(void); /* monotonic */

enum lap {
    LAP_OTHER,
    LAP_LAYERS,    /* products of the base layers and of a language model's output layer, with what is done to their
                      results piece by piece (struct gemm_after) */
    LAP_ADAPTERS,  /* what a method does in its layers beside the base layer's own product */
    LAP_ATTENTION, /* scores, softmax, context, relative terms */
    LAP_ROWS,      /* norms, activations, dropout, residual sums, embedding rows */
    LAP_UPDATE,    /* penalty, clipping, AdamW, the method's step end */
    LAPS
};
/* "layers", "row operations", ... */
const char *lap_name(enum lap);

/* Zeroes all laps and starts the watch. */
void lap_watch_start(void);
/* Stops it. seconds[l]: time spent in component l since the start. */
void lap_watch_stop(double seconds[LAPS]);

/* From here on time belongs to l, until lap_end with what this returned. A component inside another one belongs to
 * the outer one, except that a base layer's product inside an adapter is the layer's. */
enum lap lap_begin(enum lap l);
void lap_end(enum lap before);

#endif
