/* `peftgrid merge`: the records of several places into one folder or one file. All inputs are read, and what is there
 * twice is settled, before anything is written: two records that contradict each other must leave no trace. For a
 * file the records are kept on the way; into a folder they are copied in a second reading. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "bench/cli.h"
#include "bench/record_slim.h"
#include "core/file.h"
#include "core/system.h"
#include "results/record_pack.h"

struct merge_options {
    int full;
};
#define AT(field) offsetof(struct merge_options, field)
static const struct option merge_option_table[] = {
    {"full", OPT_FLAG, AT(full), 0, 0, "no", NULL,
     "into a file: keep curves of every step, predictions, labels, host and command line too", 0},
    OPT_END};
#undef AT

/* One record seen in the first pass. */
struct seen {
    const char *place, *id, *date;
    char hash[SHA256_HEX]; /* of the whole record, also when it is slim */
    int failed, slim;
    int chosen;
    const struct record *kept; /* into a file: what goes there; into a folder: NULL */
};

struct merge {
    const struct merge_options *o;
    struct arena *arena; /* the whole command's */
    const char *out;
    int to_file;
    char **in; /* the places; a merged file or folder that OUT already is comes first */
    int ins;
    struct seen *seen; /* of all places, in the order of reading */
    int count, cap;
    int again, gave_way; /* equal records met twice; failed runs that another run of theirs replaces */
    struct arena *pile;  /* records on their way into a file */
};

/* ---- the first pass ---------------------------------------------------------------------------------------------- */

static struct seen *chosen_of(const struct merge *m, const char *id)
{
    for (int i = 0; i < m->count; i++)
        if (m->seen[i].chosen && strcmp(m->seen[i].id, id) == 0) return &m->seen[i];
    return NULL;
}

/* Which of two records of one id stays. A failure says nothing about the results: it gives way to what another machine
 * or another try made of the cell, and of two failures the later stays. */
static status settle(struct merge *m, struct seen *old, struct seen *new)
{
    if (strcmp(old->hash, new->hash) == 0) {
        m->again++;
        if (old->slim && !new->slim) new->chosen = 1, old->chosen = 0;
        return ST_OK;
    }
    FAIL_IF(!old->failed && !new->failed, ST_INPUT,
            "%s and %s are records of the same run (id %.12s) with different content (%.12s and %.12s); nothing is "
            "merged",
            old->place, new->place, new->id, old->hash, new->hash);
    m->gave_way++;
    int newer = !new->failed || (old->failed && strcmp(new->date, old->date) > 0);
    old->chosen = !newer;
    new->chosen = newer;
    return ST_OK;
}

static status room_for_one(struct merge *m)
{
    struct seen *more;
    if (m->count < m->cap) return ST_OK;
    m->cap = 2 * m->cap + 256;
    NEW(more, m->arena, m->cap);
    if (m->count) memcpy(more, m->seen, sizeof *more * (size_t)m->count);
    m->seen = more;
    return ST_OK;
}

static status look_at(struct merge *m, const struct record *r, const char *place)
{
    TRY(room_for_one(m));
    struct seen *s = &m->seen[m->count], *old;
    *s = (struct seen){.place = place,
                       .id = arena_strdup(m->arena, record_get_string(r, "run/id", "")),
                       .date = arena_strdup(m->arena, record_get_string(r, "environment/date", "")),
                       .failed = strcmp(record_get_string(r, "run/status", ""), "failed") == 0,
                       .slim = record_get(r, "slim/content_hash") != NULL};
    if (!s->id || !s->date) return ST_MEMORY;
    FAIL_IF(!*s->id || strchr(s->id, '/'), ST_INPUT, "%s: a record without an id", place);
    record_origin_hash(r, s->hash);
    if ((old = chosen_of(m, s->id)))
        TRY(settle(m, old, s));
    else
        s->chosen = 1;
    m->count++;
    return ST_OK;
}

/* ---- reading the places ------------------------------------------------------------------------------------------ */

/* What is done with record number `number` of the reading. */
typedef status visit_fn(struct merge *, const struct record *, const struct record_place *, int number);

static status visit_place(struct merge *m, const char *in, struct arena *whole, visit_fn *visit, int *number)
{
    struct record_source *source = NULL;
    struct record r;
    struct record_place place;
    TRY(record_source_open(in, m->arena, &source));
    for (;;) {
        struct arena_mark mark = arena_mark(whole);
        status st = record_source_next(source, whole, &r, &place);
        if (st == ST_OK && place.file) st = visit(m, &r, &place, (*number)++);
        if (st != ST_OK || !place.file) {
            record_source_close(source);
            return st;
        }
        arena_reset(whole, mark);
    }
}

static status visit_all(struct merge *m, visit_fn *visit)
{
    int number = 0;
    status st = ST_OK;
    struct arena *whole = arena_new("record");
    if (!whole) return ST_MEMORY;
    for (int i = 0; i < m->ins && st == ST_OK; i++) st = visit_place(m, m->in[i], whole, visit, &number);
    arena_free(whole);
    return st;
}

static status learn(struct merge *m, const struct record *r, const struct record_place *place, int number)
{
    struct record *own;
    TRY(look_at(m, r, place->name));
    if (!m->to_file) return ST_OK;
    NEW(own, m->pile, 1);
    m->seen[number].kept = own;
    return m->o->full ? record_copy(r, NULL, 0, m->pile, own) : record_slim(r, m->pile, own);
}

/* ---- into a folder ----------------------------------------------------------------------------------------------- */

/* A saved adapter lies beside its record's file. */
static status copy_adapter(struct merge *m, const struct record *r, const struct record_place *place)
{
    struct file_map map = {0};
    int is_there, is_copied;
    const char *name = record_get_string(r, "environment/adapter_file", ""), *slash = strrchr(place->file, '/');
    if (!*name || strchr(name, '/')) return ST_OK;
    const char *folder = slash ? arena_printf(m->arena, "%.*s", (int)(slash - place->file), place->file) : ".";
    const char *from = folder ? path_join(m->arena, folder, name) : NULL, *to = path_join(m->arena, m->out, name);
    if (!from || !to) return ST_MEMORY;
    TRY(file_ask(from, &is_there));
    TRY(file_ask(to, &is_copied));
    if (!is_there || is_copied) return ST_OK;
    TRY(file_map(from, &map));
    status st = file_write_atomic(to, map.data, map.size);
    file_unmap(&map);
    return st;
}

/* The journal tells of merged records as it does of finished ones, so that fsck can compare them with it. */
static status note_in_journal(struct merge *m, const struct record *r, const struct record_place *from,
                              const char *path)
{
    char sum[SHA256_HEX];
    const char *journal = path_join(m->arena, m->out, "journal.jsonl"), *id = record_get_string(r, "run/id", "");
    if (!journal) return ST_MEMORY;
    TRY(sha256_file(path, sum));
    return journal_add(journal, "merged", id, record_get_string(r, "environment/label", ""), strrchr(path, '/') + 1,
                       sum, from->name);
}

static status write_one(struct merge *m, const struct record *r, const struct record_place *place, int number)
{
    if (!m->seen[number].chosen) return ST_OK;
    const char *path = arena_printf(m->arena, "%s/%s.h5", m->out, m->seen[number].id);
    if (!path) return ST_MEMORY;
    if (strcmp(path, place->file) == 0) return ST_OK; /* lies there already */
    /* Behind its adapter: where a record lies, its adapter does, and the next merge need not look. */
    TRY(copy_adapter(m, r, place));
    TRY(record_write(r, path));
    return note_in_journal(m, r, place, path);
}

/* ---- into a file ------------------------------------------------------------------------------------------------- */

static status write_file(const struct merge *m)
{
    const struct record **record;
    int n = 0;
    NEW(record, m->arena, m->count + 1);
    for (int i = 0; i < m->count; i++)
        if (m->seen[i].chosen) record[n++] = m->seen[i].kept;
    return record_pack_write(record, n, m->out);
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static int ends_in_h5(const char *path)
{
    size_t n = strlen(path);
    return n > 3 && strcmp(path + n - 3, ".h5") == 0;
}

static status tell(const struct merge *m, int places)
{
    struct stat about = {0};
    int stay = 0;
    FAIL_IF(m->to_file && sys_stat(m->out, &about) != 0, ST_IO, "%s: cannot look it up: %s", m->out, strerror(errno));
    for (int i = 0; i < m->count; i++) stay += m->seen[i].chosen;
    printf("%s: %d record%s from %d place%s", m->out, stay, stay == 1 ? "" : "s", places, places == 1 ? "" : "s");
    if (m->again) printf("; %d met twice, equal", m->again);
    if (m->gave_way) printf("; %d failed run%s replaced by another try", m->gave_way, m->gave_way == 1 ? "" : "s");
    if (m->to_file) printf("; %.2f MB", (double)about.st_size / 1e6);
    putchar('\n');
    return ST_OK;
}

static status merge(struct merge *m, const char *first)
{
    TRY(visit_all(m, learn));
    FAIL_IF(m->count == 0, ST_INPUT, "%s: no records to merge", first);
    if (m->to_file) return write_file(m);
    TRY(file_make_dirs(m->out));
    return visit_all(m, write_one);
}

static status run_merge(const void *options, char **args, int count, struct arena *arena)
{
    struct merge m = {.o = options, .arena = arena, .out = args[0], .to_file = ends_in_h5(args[0])};
    int is_there, is_dir;
    TRY(file_ask(m.out, &is_there));
    TRY(file_ask_dir(m.out, &is_dir));
    FAIL_IF(m.to_file && is_dir, ST_USAGE, "%s is a folder: a merged file needs another name", m.out);
    FAIL_IF(!m.to_file && m.o->full, ST_USAGE, "--full goes with a merged file (OUT.h5); a folder's records are whole");
    FAIL_IF(!m.to_file && is_there && !is_dir, ST_USAGE,
            "%s is a file that does not end in .h5: OUT is a folder or OUT.h5", m.out);
    NEW(m.in, arena, count + 1);
    if (is_there) m.in[m.ins++] = args[0];
    for (int i = 1; i < count; i++) m.in[m.ins++] = args[i];
    if (!(m.pile = arena_new("merged records"))) return ST_MEMORY;
    status st = merge(&m, args[1]);
    arena_free(m.pile);
    return st == ST_OK ? tell(&m, m.ins) : st;
}

const struct command command_merge = {
    .name = "merge",
    .summary = "put the records of several places into one folder or one small file",
    .usage = "OUT|OUT.h5 FOLDER|FILE.h5... [--full]",
    .details =
        "For grids that ran in pieces: in several sittings, on several machines (`run --shard`). The places are "
        "folders "
        "of records, single records and merged files. OUT is a folder, which then holds every record (and its saved "
        "adapter) as `run` would have left it, or with a name that ends in .h5 one merged file, which table, plot and "
        "inspect read like a folder. What OUT holds already stays.\n\n"
        "The way back is the same command: `peftgrid merge runs/NAME PACK.h5` takes a merged file apart into a folder, "
        "and `run` goes on from there. Out of a merged file made with --full come the very files that the runs wrote, "
        "byte for byte. Out of one without come slim records: run skips their cells, and tables and figures are the "
        "same, but what was left out is gone, and a saved adapter lies in no merged file.\n\n"
        "Records of the same run with equal content hash merge silently, and a whole one is preferred to a slim one; "
        "with different content nothing is written and both are named. A failed run gives way to another try of the "
        "same run. A merged file leaves out what tables and figures do not need (curves of every step, predictions, "
        "host, command line) unless --full is given; it is some kilobytes a run.",
    .options = merge_option_table,
    .option_size = sizeof(struct merge_options),
    .min_args = 2,
    .max_args = -1,
    .run = run_merge,
};
