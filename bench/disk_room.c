#include "bench/disk_room.h"

#include "core/file.h"
#include "core/real.h"
#include "models/checkpoint.h"

static const double record_bytes = 64 * 1024; /* GLUE's are 20 to 100 KB */
static const double adapter_share = 0.01;     /* of the model's parameters, as a low-rank update and a head have */
enum { VALUES = 3 };                          /* of a trained parameter: itself and two moments */
enum { FILES = 3 };                           /* a checkpoint, the one before, and the one that is being written */

/* Parameters in the model's files; 0 when they cannot be counted: then the cells tell what is wrong. */
static double parameters_of(const char *model, struct arena *arena)
{
    struct checkpoint c;
    double n = 0;
    if (!file_is_dir(model) || checkpoint_open(model, arena, &c) != ST_OK) return 0; /* mini is no folder, and small */
    for (int i = 0; i < c.count; i++) n += (double)tensor_size(&c.tensor[i]);
    checkpoint_close(&c);
    return n;
}

double disk_room_estimate(const struct experiment *e, const int *index, int count, int jobs, struct arena *arena)
{
    double largest = 0, parameters = 0;
    const char *model = NULL;
    struct arena_mark mark = arena_mark(arena);
    for (int i = 0; i < count; i++) {
        const struct cell *c = &e->cell[index[i]];
        if (c->model_path != model) parameters = parameters_of(c->model_path, arena);
        model = c->model_path;
        double trained = c->method->flags & METHOD_TRAINS_BASE ? parameters : adapter_share * parameters;
        if (trained > largest) largest = trained;
    }
    arena_reset(arena, mark);
    int together = jobs < count ? jobs : count;
    return count * record_bytes + together * largest * FILES * VALUES * (double)sizeof(real);
}

status disk_room_check(const struct experiment *e, const int *index, int count, int jobs, struct arena *arena)
{
    const double mb = 1024 * 1024;
    double need = disk_room_estimate(e, index, count, jobs, arena), room;
    if (!file_is_dir(e->runs_dir)) TRY(file_make_dirs(e->runs_dir));
    TRY(file_room(e->runs_dir, &room));
    FAIL_IF(room < need, ST_IO,
            "%s: No space left on device: %.1f MB are free, records and checkpoints of %d cell%s need about %.1f MB: "
            "make room, or give "
            "another folder with --runs",
            e->runs_dir, room / mb, count, count == 1 ? "" : "s", need / mb);
    return ST_OK;
}
