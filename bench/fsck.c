#include "bench/fsck.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "bench/claim.h"
#include "bench/eval_log.h"
#include "bench/run_keeper.h"
#include "core/file.h"
#include "results/record_pack.h"

/* What is kept of a record that was read. */
struct known {
    const char *place, *name; /* for messages; the file's name in the folder, NULL for one of a merged file */
    const char *id, *status;
    char hash[SHA256_HEX]; /* content, of the whole record */
    const char *adapter, *adapter_sha256;
};

struct fsck {
    struct arena *arena;  /* the whole call's */
    struct arena *record; /* one record's */
    const char *folder;   /* NULL: a single file is checked */
    char **name;          /* of all files in the folder, sorted */
    int names;
    struct known *known;
    int count, cap;
    struct journal_line *line;
    const char *journal; /* path; NULL: none */
    int lines;
    fsck_tell *tell;
    void *ctx;
    struct fsck_counts *counts;
};

__attribute__((format(printf, 3, 4))) static void found(struct fsck *f, int fault, const char *format, ...)
{
    char sentence[2048];
    va_list ap;
    va_start(ap, format);
    vsnprintf(sentence, sizeof sentence, format, ap);
    va_end(ap);
    if (fault)
        f->counts->faults++;
    else
        f->counts->notes++;
    f->tell(f->ctx, fault, sentence);
}

static bool ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static bool has_result(const struct known *k)
{
    return strcmp(k->status, "ok") == 0;
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

static status keep(struct fsck *f, const struct record *r, const struct record_place *place, const char *name)
{
    if (f->count == f->cap) {
        struct known *more;
        f->cap = 2 * f->cap + 64;
        NEW(more, f->arena, f->cap);
        if (f->count) memcpy(more, f->known, sizeof *more * (size_t)f->count);
        f->known = more;
    }
    struct known *k = &f->known[f->count];
    *k = (struct known){.place = arena_strdup(f->arena, place->name),
                        .name = name,
                        .id = arena_strdup(f->arena, record_get_string(r, "run/id", "")),
                        .status = arena_strdup(f->arena, record_get_string(r, "run/status", "")),
                        .adapter = arena_strdup(f->arena, record_get_string(r, "environment/adapter_file", "")),
                        .adapter_sha256 =
                            arena_strdup(f->arena, record_get_string(r, "environment/adapter_sha256", ""))};
    if (!k->place || !k->id || !k->status || !k->adapter || !k->adapter_sha256) return ST_MEMORY;
    record_origin_hash(r, k->hash);
    f->count++;
    return ST_OK;
}

/* A record is looked for by its name. */
static void check_name(struct fsck *f, const struct known *k)
{
    size_t n = strlen(k->id);
    if (f->folder && (strncmp(k->name, k->id, n) != 0 || strcmp(k->name + n, ".h5") != 0))
        found(f, 1, "%s: has another name than its run: expected %s.h5", k->place, k->id);
}

/* All records of a file, sound or not. name: in the folder. */
static status check_file(struct fsck *f, const char *path, const char *name)
{
    struct record_source *source;
    enum place_kind kind;
    TRY(record_place_kind(path, &kind));
    TRY(record_source_open(path, f->arena, &source));
    bool merged = kind == PLACE_PACK;
    if (merged)
        f->counts->packs++;
    else
        f->counts->records++;
    for (;;) {
        struct record r;
        struct record_place place;
        struct arena_mark mark = arena_mark(f->record);
        status st = record_source_next(source, f->record, &r, &place);
        if (!place.file || st == ST_MEMORY) {
            record_source_close(source);
            return st;
        }
        if (merged && strchr(place.name, '#')) f->counts->packed++;
        if (st != ST_OK)
            found(f, 1, "%s", status_message());
        else if ((st = keep(f, &r, &place, merged ? NULL : name)) == ST_OK && !merged)
            check_name(f, &f->known[f->count - 1]);
        arena_reset(f->record, mark);
        if (st == ST_MEMORY) {
            record_source_close(source);
            return st;
        }
    }
}

/* A run's own file comes before copies in merged ones. */
static int by_id(const void *a, const void *b)
{
    const struct known *x = a, *y = b;
    int order = strcmp(x->id, y->id);
    if (order) return order;
    return !x->name != !y->name ? !x->name - !y->name : strcmp(x->place, y->place);
}

/* Records of one run, in a file of its own and in merged ones, must say the same; failures say nothing. */
static void check_twins(struct fsck *f)
{
    const struct known *first = NULL;
    if (f->count) qsort(f->known, (size_t)f->count, sizeof *f->known, by_id);
    for (int i = 0; i < f->count; i++) {
        const struct known *k = &f->known[i];
        if (strcmp(k->status, "failed") == 0) continue;
        if (!first || strcmp(first->id, k->id) != 0)
            first = k;
        else if (strcmp(first->hash, k->hash) != 0)
            found(f, 1, "%s: is a record of the same run as %s with different content (%.12s and %.12s)", k->place,
                  first->place, k->hash, first->hash);
    }
}

/* The record whose file has this name; NULL: none that can be read. */
static const struct known *record_named(const struct fsck *f, const char *name)
{
    for (int i = 0; i < f->count; i++)
        if (f->known[i].name && strcmp(f->known[i].name, name) == 0) return &f->known[i];
    return NULL;
}

/* ---- the journal ------------------------------------------------------------------------------------------------- */

static status read_journal(struct fsck *f)
{
    char *path = path_join(f->arena, f->folder, "journal.jsonl");
    if (!path) return ST_MEMORY;
    if (!file_exists(path)) return ST_OK;
    f->journal = path;
    status st = journal_read(path, f->arena, &f->line, &f->lines);
    if (st == ST_MEMORY) return st;
    if (st != ST_OK) found(f, 1, "%s", status_message());
    f->counts->lines += f->lines;
    for (int i = 0; i < f->lines; i++)
        if (f->line[i].fault) found(f, 1, "%s:%d: %s", path, f->line[i].number, f->line[i].fault);
    return ST_OK;
}

/* The last line that tells of a file. */
static const struct journal_line *line_of(const struct fsck *f, const char *name)
{
    for (int i = f->lines - 1; i >= 0; i--) {
        const struct journal_line *l = &f->line[i];
        if (!l->fault && l->file && strcmp(l->file, name) == 0) return l;
    }
    return NULL;
}

/* Files that the journal tells of. */
static status check_lines(struct fsck *f)
{
    for (int i = 0; i < f->lines; i++) {
        const struct journal_line *l = &f->line[i];
        if (l->fault || !l->file || line_of(f, l->file) != l) continue;
        char *path = path_join(f->arena, f->folder, l->file);
        if (!path) return ST_MEMORY;
        if (!file_exists(path))
            found(f, 1, "%s:%d: %s %s, which is not there", f->journal, l->number, l->event, l->file);
        if (l->id && (strncmp(l->file, l->id, strlen(l->id)) != 0 || l->file[strlen(l->id)] != '.'))
            found(f, 1, "%s:%d: names the run %s and the file %s of another", f->journal, l->number, l->id, l->file);
    }
    return ST_OK;
}

/* A record with a result against the journal. A failed run leaves a record and a line without a file. */
static status check_against_journal(struct fsck *f, const struct known *k)
{
    char sum[SHA256_HEX];
    const struct journal_line *l = line_of(f, k->name);
    if (!f->journal || !has_result(k)) return ST_OK;
    if (!l) {
        found(f, 0, "%s: the journal does not tell of it (its driver was killed just then, or it was copied here)",
              k->place);
        return ST_OK;
    }
    TRY(sha256_file(k->place, sum));
    if (!l->sha256 || strcmp(sum, l->sha256) != 0)
        found(f, 1, "%s: is sound, but not the file of which %s:%d tells (SHA-256 %.12s, there %.12s)", k->place,
              f->journal, l->number, sum, l->sha256 ? l->sha256 : "none");
    return ST_OK;
}

/* ---- what lies beside the records -------------------------------------------------------------------------------- */

static status check_adapter(struct fsck *f, const struct known *k)
{
    char sum[SHA256_HEX];
    if (!*k->adapter || !has_result(k)) return ST_OK;
    char *path = path_join(f->arena, f->folder, k->adapter);
    if (!path) return ST_MEMORY;
    if (!file_exists(path)) {
        found(f, 0, "%s: its saved adapter %s is not there", k->place, k->adapter);
        return ST_OK;
    }
    f->counts->adapters++;
    status st = sha256_file(path, sum);
    if (st != ST_OK)
        found(f, 1, "%s", status_message());
    else if (strcmp(sum, k->adapter_sha256) != 0)
        found(f, 1, "%s: damaged: its SHA-256 is %.12s, its record says %.12s", path, sum, k->adapter_sha256);
    return ST_OK;
}

/* Files that runs leave for each other, and what one means whose run has a record or has none; NULL: nothing. */
static const struct {
    const char *mark; /* in the name, behind the id */
    const char *with, *without;
} leftover[] = {
    {EVAL_LOG_ENDING, "of a run that is finished; it can be deleted", "an unfinished evaluation; run goes on from it"},
    {CHECKPOINT_ENDING, "of a run that is finished; it can be deleted", "an unfinished run; run goes on from it"},
    {".safetensors", NULL, "an adapter without a record"},
};

static status check_leftover(struct fsck *f, const char *name)
{
    const char *path = path_join(f->arena, f->folder, name), *text = NULL;
    if (!path) return ST_MEMORY;
    if (ends_in(name, ".tmp"))
        text = "half written, by a run that was killed or is writing now; otherwise it can be deleted";
    else if (strstr(name, ".claim"))
        text = claim_is_stale(path) ? "the claim of a driver that is gone; the next run takes it over"
                                    : "a driver is working on this cell";
    for (size_t i = 0; !text && i < sizeof leftover / sizeof *leftover; i++) {
        const char *mark = strstr(name, leftover[i].mark);
        if (!mark) continue;
        char *file = arena_printf(f->arena, "%.*s.h5", (int)(mark - name), name);
        if (!file) return ST_MEMORY;
        const struct known *k = record_named(f, file);
        text = k && strcmp(k->status, "failed") != 0 ? leftover[i].with : leftover[i].without;
        break;
    }
    if (text) found(f, 0, "%s: %s", path, text);
    return ST_OK;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static status check_folder(struct fsck *f)
{
    TRY(file_list(f->folder, NULL, f->arena, &f->name, &f->names));
    TRY(read_journal(f));
    for (int i = 0; i < f->names; i++) {
        char *path = ends_in(f->name[i], ".h5") ? path_join(f->arena, f->folder, f->name[i]) : NULL;
        if (path) TRY(check_file(f, path, f->name[i]));
    }
    TRY(check_lines(f));
    check_twins(f);
    for (int i = 0; i < f->count; i++) {
        if (!f->known[i].name) continue;
        TRY(check_against_journal(f, &f->known[i]));
        TRY(check_adapter(f, &f->known[i]));
    }
    for (int i = 0; i < f->names; i++) TRY(check_leftover(f, f->name[i]));
    return ST_OK;
}

status fsck_place(const char *place, fsck_tell *tell, void *ctx, struct fsck_counts *counts)
{
    struct fsck f = {.tell = tell, .ctx = ctx, .counts = counts, .arena = arena_new("a check")};
    f.record = arena_new("a record");
    if (file_is_dir(place)) f.folder = place;
    status st = !f.arena || !f.record ? ST_MEMORY : f.folder ? check_folder(&f) : check_file(&f, place, place);
    arena_free(f.record);
    arena_free(f.arena);
    return st;
}
