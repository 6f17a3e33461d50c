/* The loop of the driver: start cells while there are free places, listen to them, note how they end. One thread; cells
 * are processes. Order of the cells is the experiment's; a cell that another driver works on is tried again at the end.
 */
#include "bench/grid.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include "bench/claim.h"
#include "bench/grid_child.h"
#include "bench/grid_eta.h"
#include "core/file.h"
#include "core/lap.h"
#include "core/parallel.h"
#include "core/sha256.h"
#include "core/text.h"

enum { MAX_JOBS = 256, MAX_NOTICES = 256, PLAIN_EVERY = 60, RETRY_EVERY = 2 };
enum { GRACE = 300 }; /* seconds for a step to end and a checkpoint to be written, before a cell is killed */

enum cell_state { WAITING, RUNNING, ELSEWHERE, ENDED };

struct grid {
    const struct experiment *e;
    const struct grid_options *o;
    struct arena *arena;
    struct grid_outcome *out;
    grid_cell_fn *fn;
    void *ctx;
    const int *index;
    int count, ended, running;
    unsigned char *state; /* [count] enum cell_state */
    struct claim *claim;  /* [jobs] */
    struct child *child;  /* [jobs]; .cell: place in index */
    double *told;         /* [jobs] when the last plain line about this child was written */
    double retry;         /* not before: cells that ran elsewhere are tried again */
    struct grid_eta eta;
    struct progress progress;
    const char *journal;
    unsigned long long noticed[MAX_NOTICES]; /* hashes of notices already shown: many cells say the same */
    int notices;
    int stopped; /* signals sent to the children: 1 to end, 2 at once */
    double told_to_stop;
};

static volatile sig_atomic_t caught; /* the signal that asks the driver to stop; one more asks for it at once */
static volatile sig_atomic_t times_caught;

static void on_signal(int number)
{
    caught = number;
    times_caught = times_caught + 1;
}

static const struct cell *cell_at(const struct grid *g, int i)
{
    return &g->e->cell[g->index[i]];
}

/* ---- what cells say ---- */

static void on_line(void *ctx, const char *line)
{
    struct grid *g = ctx;
    unsigned long long h = text_hash64(line);
    for (int i = 0; i < g->notices; i++)
        if (g->noticed[i] == h) return;
    if (g->notices < MAX_NOTICES) g->noticed[g->notices++] = h;
    progress_say(&g->progress, "%s", line);
}

/* The journal is a log: a line that cannot be written must not stop a grid, but is told once. */
static void write_journal(struct grid *g, const char *event, int i, const char *file, const char *message)
{
    char sum[SHA256_HEX] = "", id[65] = "";
    if (file) {
        if (sha256_file(file, sum) != ST_OK) sum[0] = 0;
        const char *slash = strrchr(file, '/');
        if (slash) file = slash + 1; /* the journal lies in the same folder, wherever that is moved */
        snprintf(id, sizeof id, "%.*s", (int)strcspn(file, "."), file);
    }
    if (journal_add(g->journal, event, *id ? id : NULL, cell_at(g, i)->label, file, *sum ? sum : NULL, message) !=
        ST_OK)
        on_line(g, status_message());
}

/* ---- the end of a cell ---- */

static const char *cause_of(const struct child_report *r)
{
    return r->st == ST_DIVERGED ? "diverged" : "failed";
}

/* Cells with the same canonical text have the same record, so a claim is on that. */
static const char *claim_key(const struct grid *g, int i, char key[SHA256_HEX])
{
    const char *canon = cell_at(g, i)->canon;
    sha256_of(canon, strlen(canon), key);
    return key;
}

static void skip_cell(struct grid *g, int i)
{
    g->state[i] = ENDED;
    g->ended++;
    g->out->skipped++;
    grid_eta_skip(&g->eta, i);
}

static status note_failure(struct grid *g, const struct child *c, const char *label)
{
    struct grid_failure *f = &g->out->failure[g->out->failed++];
    f->label = label;
    f->cause = cause_of(&c->last);
    f->message = arena_strdup(g->arena, *c->last.text ? c->last.text : status_name(c->last.st));
    return f->message ? ST_OK : ST_MEMORY;
}

/* It was we who ended it, or the signal that is for us reached it, too. */
static int was_stopped(const struct grid *g, const struct child *c)
{
    return c->last.st != ST_OK && (g->stopped || (caught && c->last.st == ST_INTERRUPTED));
}

static status end_cell(struct grid *g, int slot)
{
    struct child *c = &g->child[slot];
    char time_text[32];
    const char *label = cell_at(g, c->cell)->label;
    double seconds = clock_seconds() - c->started;
    child_finish(c);
    claim_drop(&g->claim[slot]);
    g->running--;
    if (was_stopped(g, c)) {
        g->state[c->cell] = WAITING;
        if (c->last.st == ST_INTERRUPTED) progress_say(&g->progress, "%s: %s", label, c->last.text);
        return ST_OK;
    }
    progress_time(seconds, time_text, sizeof time_text);
    if (c->last.st == ST_OK && c->last.skipped) {
        skip_cell(g, c->cell);
        return ST_OK;
    }
    g->state[c->cell] = ENDED;
    g->ended++;
    grid_eta_end(&g->eta, c->cell, seconds);
    if (c->last.st == ST_OK) {
        g->out->done++;
        write_journal(g, "finished", c->cell, *c->last.text ? c->last.text : NULL, NULL);
        progress_say(&g->progress, "[%d/%d] %s: %s%sdone in %s", g->ended, g->count, label, c->last.note,
                     *c->last.note ? ", " : "", time_text);
        return ST_OK;
    }
    if (!c->last.skipped) write_journal(g, cause_of(&c->last), c->cell, NULL, c->last.text);
    progress_say(&g->progress, "[%d/%d] %s: %s after %s: %s", g->ended, g->count, label, cause_of(&c->last), time_text,
                 c->last.text);
    return note_failure(g, c, label);
}

/* ---- the start of a cell ---- */

/* The next cell to try, or -1: none now. */
static int next_cell(struct grid *g)
{
    for (int i = 0; i < g->count; i++)
        if (g->state[i] == WAITING) return i;
    if (clock_seconds() < g->retry) return -1;
    g->retry = clock_seconds() + RETRY_EVERY;
    for (int i = 0; i < g->count; i++)
        if (g->state[i] == ELSEWHERE) g->state[i] = WAITING;
    for (int i = 0; i < g->count; i++)
        if (g->state[i] == WAITING) return i;
    return -1;
}

/* Starts cell i in a slot, unless another driver has it. */
static status start_cell(struct grid *g, int slot, int i)
{
    char key[SHA256_HEX];
    int taken;
    TRY(claim_take(g->e->runs_dir, claim_key(g, i, key), &g->claim[slot], &taken));
    if (!taken) {
        g->state[i] = ELSEWHERE;
        return ST_OK;
    }
    struct cell own = *cell_at(g, i);
    if (g->o->threads > 0)
        own.train.threads = g->o->threads;
    else if (own.train.threads == 0 && g->o->jobs > 1)
        own.train.threads = (parallel_threads() + g->o->jobs - 1) / g->o->jobs;
    status st = child_start(&g->child[slot], &own, i, g->fn, g->ctx);
    if (st != ST_OK) {
        claim_drop(&g->claim[slot]);
        return st;
    }
    g->state[i] = RUNNING;
    g->told[slot] = clock_seconds();
    g->running++;
    return ST_OK;
}

static status start_cells(struct grid *g)
{
    for (int slot = 0; slot < g->o->jobs && !caught; slot++) {
        int i = -1;
        while (g->child[slot].pid == 0 && (i = next_cell(g)) >= 0 && !caught) TRY(start_cell(g, slot, i));
    }
    return ST_OK;
}

/* ---- while cells run ---- */

static void tell_plainly(struct grid *g, int slot)
{
    char rest[32];
    const struct child *c = &g->child[slot];
    if (clock_seconds() - g->told[slot] < PLAIN_EVERY || g->progress.mode != PROGRESS_PLAIN || !c->training) return;
    g->told[slot] = clock_seconds();
    progress_time(grid_eta_left(&g->eta, g->child, g->o->jobs), rest, sizeof rest);
    const char *label = cell_at(g, c->cell)->label;
    if (strcmp(c->last.phase, "score") == 0)
        progress_say(&g->progress, "[%d/%d] %s: %ld of %ld scored; %s left", g->ended, g->count, label, c->last.done,
                     c->last.total, rest);
    else
        progress_say(&g->progress, "[%d/%d] %s: step %ld of %ld, loss %.4g; %s left", g->ended, g->count, label,
                     c->last.done, c->last.total, c->last.loss, rest);
}

static void show_status(struct grid *g)
{
    char rest[32], what[256] = "";
    size_t n = 0;
    if (g->progress.mode != PROGRESS_LINE) return;
    for (int slot = 0; slot < g->o->jobs && n < sizeof what; slot++) {
        const struct child *c = &g->child[slot];
        if (!c->pid) continue;
        int percent = c->last.total > 0 ? (int)(100.0 * (double)c->last.done / (double)c->last.total) : 0;
        n += (size_t)snprintf(what + n, sizeof what - n, "%s%s %d%%", n ? ", " : "", cell_at(g, c->cell)->label,
                              percent);
    }
    progress_time(grid_eta_left(&g->eta, g->child, g->o->jobs), rest, sizeof rest);
    if (g->running == 0)
        progress_status(&g->progress, "[%d/%d] the rest runs elsewhere", g->ended, g->count);
    else
        progress_status(&g->progress, "[%d/%d] %s left; %s", g->ended, g->count, rest, what);
}

static void listen(struct grid *g)
{
    struct pollfd fd[2 * MAX_JOBS];
    nfds_t n = 0;
    for (int slot = 0; slot < g->o->jobs; slot++) {
        const struct child *c = &g->child[slot];
        if (c->pid && c->reports >= 0) fd[n++] = (struct pollfd){c->reports, POLLIN, 0};
        if (c->pid && c->errors >= 0) fd[n++] = (struct pollfd){c->errors, POLLIN, 0};
    }
    poll(fd, n, 200);
    for (int slot = 0; slot < g->o->jobs; slot++) {
        struct child *c = &g->child[slot];
        if (!c->pid) continue;
        int began = c->training;
        child_read(c, on_line, g);
        if (!began && c->training) write_journal(g, "started", c->cell, NULL, NULL);
        claim_beat(&g->claim[slot]);
        tell_plainly(g, slot);
    }
}

/* The first signal asks the children to keep their state and end; after the second, or when their time is over, they
 * are killed: what they kept before is still there. */
static void stop_children(struct grid *g)
{
    int at_once = times_caught > 1 || (g->stopped && clock_seconds() - g->told_to_stop >= GRACE);
    if (g->stopped > at_once) return;
    if (!at_once && g->running > 0)
        progress_say(&g->progress, "stopping: running cells keep their state after the step they are in; "
                                   "a second signal ends them at once");
    for (int slot = 0; slot < g->o->jobs; slot++)
        if (g->child[slot].pid) kill(g->child[slot].pid, at_once ? SIGKILL : SIGTERM);
    g->stopped = 1 + at_once;
    g->told_to_stop = clock_seconds();
}

static status work(struct grid *g)
{
    status st = ST_OK; /* a fault of the driver itself: what runs is still brought to its end */
    while (g->running > 0 || (st == ST_OK && !caught && g->ended < g->count)) {
        if (st == ST_OK && !caught) st = start_cells(g);
        if (caught) stop_children(g);
        listen(g);
        for (int slot = 0; slot < g->o->jobs; slot++)
            if (child_over(&g->child[slot])) {
                status ended = end_cell(g, slot);
                if (st == ST_OK) st = ended;
            }
        show_status(g);
    }
    return st;
}

/* ---- the whole ---- */

static status prepare(struct grid *g)
{
    char key[SHA256_HEX];
    int jobs = g->o->jobs;
    FAIL_IF(jobs < 1 || jobs > MAX_JOBS, ST_USAGE, "jobs is %d, expected 1 to %d", jobs, MAX_JOBS);
    TRY(file_make_dirs(g->e->runs_dir));
    g->journal = path_join(g->arena, g->e->runs_dir, "journal.jsonl");
    if (!g->journal) return ST_MEMORY;
    ZNEW(g->state, g->arena, g->count + 1);
    ZNEW(g->claim, g->arena, jobs);
    ZNEW(g->child, g->arena, jobs);
    ZNEW(g->told, g->arena, jobs);
    ZNEW(g->out->failure, g->arena, g->count + 1);
    TRY(grid_eta_init(&g->eta, g->e, g->index, g->count, g->arena));
    for (int i = 0; i < g->count; i++) {
        if (!g->o->done || !g->o->done[i]) continue;
        claim_clear(g->e->runs_dir,
                    claim_key(g, i, key)); /* whoever wrote the record may have been killed right then */
        skip_cell(g, i);
    }
    return ST_OK;
}

status grid_run(const struct experiment *e, const struct grid_options *o, const int *index, int count, grid_cell_fn *fn,
                void *ctx, struct arena *arena, struct grid_outcome *out)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction act = {.sa_handler = on_signal}, old[3], pipe_old, ignore = {.sa_handler = SIG_IGN};
    struct grid *g;
    char time_text[32];
    *out = (struct grid_outcome){.cells = count};
    ZNEW(g, arena, 1);
    g->e = e;
    g->o = o;
    g->arena = arena;
    g->out = out;
    g->fn = fn;
    g->ctx = ctx;
    g->index = index;
    g->count = count;
    TRY(prepare(g));
    caught = times_caught = 0;
    for (int i = 0; i < 3; i++) sigaction(signals[i], &act, &old[i]);
    sigaction(SIGPIPE, &ignore, &pipe_old); /* a closed terminal or pipe must not end a long grid */
    progress_start(&g->progress, o->progress);
    status st = work(g);
    out->seconds = clock_seconds() - g->progress.started;
    progress_end(&g->progress);
    progress_say(&g->progress, "%d of %d cells in %s", g->ended, count,
                 progress_time(out->seconds, time_text, sizeof time_text));
    for (int i = 0; i < 3; i++) sigaction(signals[i], &old[i], NULL);
    sigaction(SIGPIPE, &pipe_old, NULL);
    out->left = count - g->ended;
    out->signal = caught;
    return st;
}
