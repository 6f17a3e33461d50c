/* Learning-rate schedules as in Hugging Face: multiplier of optimiser step k = lambda(k), k from 0 (so the first step
 * of a warm-up has rate 0). */
#ifndef PG_BENCH_SCHEDULE_H
#define PG_BENCH_SCHEDULE_H

#define SCHEDULE_CHOICES "linear|cosine|constant|constant_with_warmup|polynomial"
enum schedule { SCHED_LINEAR, SCHED_COSINE, SCHED_CONSTANT, SCHED_CONSTANT_WARMUP, SCHED_POLYNOMIAL };

/* polynomial: power 1, end rate 1e-7 absolute (lr is the initial rate), as in HF's defaults. */
double schedule_rate(enum schedule, double lr, long warmup, long steps, long k);

/* Warm-up steps of a ratio: ceil(ratio * steps). */
long schedule_warmup(double ratio, long steps);

#endif
