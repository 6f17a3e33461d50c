/* Threads behind parallel_for: an OpenMP team, or with -DPG_PLAIN_THREADS a pool of pthreads that ThreadSanitizer can
 * see into. Pieces are handed out one by one in rising order to whoever is free; which thread runs a piece decides
 * nothing.
 *
 * OpenBLAS (OpenMP build) would start its own team where it believes itself outside of a parallel region, which is also
 * the case in a team of one, in a pthread, and where program and library carry different OpenMP runtimes (clang). So
 * every thread that runs pieces first sets its own OpenMP thread count to 1; teams here are made by num_threads(). */
#include "core/parallel.h"

#include <omp.h>
#include <stdatomic.h>
#include "core/cpu.h"

static atomic_int wanted; /* 0: as many as the process may use */

static _Thread_local bool ready;   /* this thread's settings are made */
static _Thread_local bool inside;  /* this thread is running a piece ... */
static _Thread_local int position; /* ... as this thread of the team */

static void prepare_thread(void)
{
    if (ready) return;
    omp_set_num_threads(1);
    cpu_denormals_off();
    ready = true;
}

void parallel_set_threads(int n)
{
    atomic_store(&wanted, n > 0 ? n : 0);
}

int parallel_threads(void)
{
    int n = atomic_load_explicit(&wanted, memory_order_relaxed);
    if (n > 0) return n;
    n = omp_get_num_procs();
    return n > 0 ? n : 1;
}

struct job {
    int n;
    void (*fn)(void *, int, int);
    void *ctx;
    atomic_int next;
};

static void take_pieces(struct job *job, int thread)
{
    prepare_thread();
    inside = true;
    position = thread;
    for (int i; (i = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed)) < job->n;)
        job->fn(job->ctx, i, thread);
    inside = false;
}

#ifndef PG_PLAIN_THREADS

static void run_team(struct job *job, int threads)
{
#pragma omp parallel num_threads(threads)
    take_pieces(job, omp_get_thread_num());
}

#else

#include <pthread.h>

enum { POOL_MAX = 256 };
static struct {
    pthread_mutex_t region; /* one region at a time */
    pthread_mutex_t lock;   /* guards what follows */
    pthread_cond_t work, done;
    struct job *job;
    unsigned long round; /* number of the region, so that a worker takes part once */
    int team, busy;      /* threads that may take part; workers that have not left it yet */
    int workers;
} pool = {.region = PTHREAD_MUTEX_INITIALIZER,
          .lock = PTHREAD_MUTEX_INITIALIZER,
          .work = PTHREAD_COND_INITIALIZER,
          .done = PTHREAD_COND_INITIALIZER};

static void *worker(void *arg)
{
    int me = (int)(size_t)arg;
    unsigned long seen = 0;
    pthread_mutex_lock(&pool.lock);
    for (;;) {
        while (pool.round == seen || me >= pool.team) {
            seen = pool.round;
            pthread_cond_wait(&pool.work, &pool.lock);
        }
        seen = pool.round;
        struct job *job = pool.job;
        pthread_mutex_unlock(&pool.lock);
        take_pieces(job, me);
        pthread_mutex_lock(&pool.lock);
        if (--pool.busy == 0) pthread_cond_signal(&pool.done);
    }
    return NULL;
}

/* Workers live as long as the process. Fewer than asked for, where the system refuses, is slower and nothing else. */
static void grow_pool(int threads)
{
    while (pool.workers + 1 < threads && pool.workers + 1 < POOL_MAX) {
        pthread_t t;
        if (pthread_create(&t, NULL, worker, (void *)(size_t)(pool.workers + 1)) != 0) return;
        pthread_detach(t);
        pool.workers++;
    }
}

static void run_team(struct job *job, int threads)
{
    pthread_mutex_lock(&pool.region);
    pthread_mutex_lock(&pool.lock);
    grow_pool(threads);
    pool.team = threads < pool.workers + 1 ? threads : pool.workers + 1;
    pool.busy = pool.team - 1;
    pool.job = job;
    pool.round++;
    pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);
    take_pieces(job, 0);
    pthread_mutex_lock(&pool.lock);
    while (pool.busy > 0) pthread_cond_wait(&pool.done, &pool.lock);
    pool.team = 0;
    pthread_mutex_unlock(&pool.lock);
    pthread_mutex_unlock(&pool.region);
}

#endif

void parallel_for(int n, void (*fn)(void *ctx, int i, int thread), void *ctx)
{
    if (n <= 0) return;
    if (inside) {
        for (int i = 0; i < n; i++) fn(ctx, i, position);
        return;
    }
    struct job job = {.n = n, .fn = fn, .ctx = ctx};
    atomic_init(&job.next, 0);
    int threads = parallel_threads();
    if (threads > n) threads = n;
    if (threads == 1)
        take_pieces(&job, 0);
    else
        run_team(&job, threads);
}

bool parallel_inside(void)
{
    return inside;
}
