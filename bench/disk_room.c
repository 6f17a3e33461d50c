#include "bench/disk_room.h"

#include <string.h>
#include "bench/trainer.h"
#include "core/file.h"
#include "core/parallel.h"
#include "core/real.h"
#include "core/text.h"
#include "models/checkpoint.h"

static const double record_bytes = 64 * 1024; /* GLUE's are 20 to 100 KB */
enum { VALUES = 3 };                          /* of a trained parameter: itself and two moments */
enum { FILES = 3 };                           /* a checkpoint, the one before, and the one that is being written */
enum { MANY_STEPS = 1 << 30 };                /* more than any run has: options that count steps must fit */

/* Parameters in the model's files. */
static double parameters_of(const char *model, struct arena *arena)
{
    struct checkpoint c;
    double n = 0;
    if (!file_is_dir(model) || checkpoint_open(model, arena, &c) != ST_OK) return 0; /* mini is no folder, and small */
    for (int i = 0; i < c.count; i++) n += (double)tensor_size(&c.tensor[i]);
    checkpoint_close(&c);
    return n;
}

/* Values that a checkpoint of the cell holds: counted on its model's shape, whose weights nobody reads. On one thread:
 * the driver is about to fork. */
static double values_learned(const struct cell *cell, struct arena *arena)
{
    struct model_config shape;
    struct session session;
    struct session_spec spec = cell_session_spec(cell, MANY_STEPS);
    double n = 0;
    if (model_config_read(cell->model_path, arena, &shape) != ST_OK) return 0;
    spec.model.shape = &shape;
    spec.store = NULL;
    spec.store_options = NULL;
    parallel_set_threads(1);
    int quiet = notice_quiet(1);
    status st = session_open(&spec, &session);
    notice_quiet(quiet);
    for (int i = 0; st == ST_OK && i < session.reg.count; i++) {
        const struct param *p = session.reg.list[i];
        if (param_trained(p) || p->cls == P_STATE) n += (param_trained(p) ? VALUES : 1) * (double)param_size(p);
    }
    if (st == ST_OK) session_close(&session);
    parallel_set_threads(0);
    return n;
}

/* 0 when they cannot be counted: then the cells tell what is wrong. */
static double values_kept(const struct cell *c, struct arena *arena)
{
    struct arena_mark mark = arena_mark(arena);
    double n =
        c->method->flags & METHOD_TRAINS_BASE ? VALUES * parameters_of(c->model_path, arena) : values_learned(c, arena);
    arena_reset(arena, mark);
    return n;
}

/* All that decides how many values a cell keeps, the head's few aside. */
static status settings_of(const struct cell *c, struct arena *arena, const char **out)
{
    struct text t = {0};
    status st = c->method->options ? option_canonical(c->method->options, c->method_options, "", &t) : ST_OK;
    *out = st == ST_OK ? arena_printf(arena, "%s\n%s\n%s", c->model_path, c->method->name, t.s ? t.s : "") : NULL;
    text_free(&t);
    return *out ? ST_OK : ST_MEMORY;
}

static int is_among(const char *const *list, int n, const char *text)
{
    for (int i = 0; i < n; i++)
        if (strcmp(list[i], text) == 0) return 1;
    return 0;
}

status disk_room_estimate(const struct experiment *e, const int *index, int count, int jobs, struct arena *arena,
                          double *bytes)
{
    const char **seen, *settings;
    double largest = 0;
    int n = 0;
    NEW(seen, arena, count + 1);
    for (int i = 0; i < count; i++) {
        const struct cell *c = &e->cell[index[i]];
        TRY(settings_of(c, arena, &settings));
        if (is_among(seen, n, settings)) continue;
        seen[n++] = settings;
        double values = values_kept(c, arena);
        if (values > largest) largest = values;
    }
    int together = jobs < count ? jobs : count;
    *bytes = count * record_bytes + together * largest * FILES * (double)sizeof(real);
    return ST_OK;
}

status disk_room_check(const struct experiment *e, const int *index, int count, int jobs, struct arena *arena)
{
    const double mb = 1024 * 1024;
    double need, room;
    TRY(disk_room_estimate(e, index, count, jobs, arena, &need));
    if (!file_is_dir(e->runs_dir)) TRY(file_make_dirs(e->runs_dir));
    TRY(file_room(e->runs_dir, &room));
    FAIL_IF(room < need, ST_IO,
            "%s: No space left on device: %.1f MB are free, records and checkpoints of %d cell%s need about %.1f MB: "
            "make room, or give "
            "another folder with --runs",
            e->runs_dir, room / mb, count, count == 1 ? "" : "s", need / mb);
    return ST_OK;
}
