/* The state of a running cell (bench/run_keeper.h), taken up by a small run. An input that does not begin as such a
 * file does is what follows its head; the head is made for it, with the right checksum. */
#include "tests/pgtest.h"

#include "tests/fuzz/fuzzing.h"

#include "bench/checkpoint_file.h"
#include "core/sha256.h"
#include "tests/tiny_training.h"

enum { ZEROS = SHA256_HEX - 1 };

static const unsigned char *with_head(const unsigned char *p, size_t *n, struct arena *a)
{
    char hex[SHA256_HEX];
    size_t size = CHECKPOINT_HEAD + *n;
    unsigned char *file = arena_alloc(a, size);
    if (!file) abort();
    memset(file, ' ', CHECKPOINT_HEAD);
    int head = snprintf((char *)file, CHECKPOINT_HEAD,
                        "peftgrid checkpoint 1\nid %s\nnumerics %d, reals of %d bytes\nstep %012d\nbytes %020zu\n"
                        "sha256 %0*d\n",
                        TINY_TRAINING_ID, NUMERICS_VERSION, (int)sizeof(real), 2, size, ZEROS, 0);
    file[head] = ' ';
    file[CHECKPOINT_HEAD - 1] = '\n';
    if (*n) memcpy(file + CHECKPOINT_HEAD, p, *n);
    sha256_of(file, size, hex);
    memcpy(file + head - 1 - ZEROS, hex, ZEROS);
    *n = size;
    return file;
}

/* What of the run decides where memory is written next. */
static void check_training(const struct training *t)
{
    for (int i = 0; i < t->session->reg.count; i++) {
        const struct param *p = t->session->reg.list[i];
        fuzz_expect(p->lo >= 0 && p->lo <= p->hi && p->hi <= p->rows, "rows that learn lie in their tensor");
        fuzz_expect(p->left >= 0 && p->left <= p->right && p->right <= p->cols, "columns that learn lie in theirs");
    }
    fuzz_expect(t->curves.done >= 0 && t->curves.done <= t->plan.steps, "steps of the plan");
    fuzz_expect(t->history.count >= 0 && t->history.count < t->history.cap, "evaluations there is room for");
    fuzz_expect(t->trace.times >= 0 && t->trace.times <= t->trace.cap, "traces there is room for");
}

static status run(const unsigned char *p, size_t n, struct arena *a)
{
    static struct tiny_training *t;
    struct run_keeper keeper;
    if (!t) t = tiny_training_open();
    if (n < 9 || memcmp(p, "peftgrid ", 9) != 0) p = with_head(p, &n, a);
    fuzz_file(TINY_TRAINING_ID ".ckpt", p, n, a);
    TRY(run_keeper_open(&keeper, fuzz_folder(), TINY_TRAINING_ID, "fuzz", t->training.options, false, a));
    keeper.step = -1;
    status st = run_keeper_resume(&keeper, &t->training);
    check_training(&t->training);
    fuzz_expect(st == ST_OK, "a checkpoint that cannot be used is no failure");
    return keeper.step == t->training.curves.done ? ST_OK : fail(ST_INPUT, "%s", status_message());
}

const struct fuzz fuzz_checkpoint = {"checkpoint", "the state of a running cell", run};
