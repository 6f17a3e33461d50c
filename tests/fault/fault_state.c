#include "tests/fault/fault_state.h"

#include <ftw.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/file.h"
#include "results/record.h"

static void must(status st)
{
    if (st == ST_OK) return;
    fprintf(stderr, "FAIL the test itself: %s\n", status_message());
    abort();
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

void folder_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void folder_copy(const char *from, const char *to)
{
    struct arena *arena = arena_new("a copy");
    char **name;
    int n;
    must(file_make_dirs(to));
    must(file_list(from, NULL, arena, &name, &n));
    for (int i = 0; i < n; i++) {
        const char *source = path_join(arena, from, name[i]), *target = path_join(arena, to, name[i]);
        struct file_map map;
        if (file_is_dir(source)) {
            folder_copy(source, target);
            continue;
        }
        must(file_map(source, &map));
        must(file_write_atomic(target, map.data, map.size));
        file_unmap(&map);
    }
    arena_free(arena);
}

/* ---- description ------------------------------------------------------------------------------------------------- */

static int ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

static void tell_record(const char *path, struct file_state *f)
{
    struct arena *arena = arena_new("a record");
    struct record r;
    if (record_read(path, arena, &r) != ST_OK)
        snprintf(f->digest, sizeof f->digest, "unreadable");
    else if (strcmp(record_get_string(&r, "run/status", ""), "ok") != 0)
        snprintf(f->digest, sizeof f->digest, "failed");
    else
        record_hash(&r, f->digest);
    arena_free(arena);
}

/* A full disk may cut a line; the next one must not be glued to it. */
static void tell_journal(const char *path, struct file_state *f)
{
    struct arena *arena = arena_new("a journal");
    char *text, *rest = NULL;
    must(file_read(path, 1 << 20, arena, &text, NULL));
    snprintf(f->digest, sizeof f->digest, "journal");
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        json_t *event = json_loads(line, 0, NULL);
        if (!event && strstr(line + 1, "{\"time\"")) snprintf(f->digest, sizeof f->digest, "torn: %.60s", line);
        json_decref(event);
    }
    arena_free(arena);
}

static void add_folder(const char *root, const char *below, unsigned flags, struct arena *arena, struct folder_state *s,
                       int *room)
{
    char **name;
    int n;
    must(file_list(path_join(arena, root, below), NULL, arena, &name, &n));
    for (int i = 0; i < n; i++) {
        const char *rest = path_join(arena, below, name[i]), *path = path_join(arena, root, rest);
        if (file_is_dir(path)) {
            add_folder(root, rest, flags, arena, s, room);
            continue;
        }
        if (s->files == *room) {
            *room = 2 * *room + 16;
            s->file = realloc(s->file, sizeof *s->file * (size_t)*room);
        }
        struct file_state *f = &s->file[s->files++];
        *f = (struct file_state){.name = rest};
        if (ends_in(rest, "/model_hashes") || ((flags & STATE_KILLED) && ends_in(rest, ".tmp"))) {
            /* the former: a list that grows by a line when the clock says so */
            s->files--;
            continue;
        }
        if (ends_in(rest, ".jsonl"))
            tell_journal(path, f);
        else if (!(flags & STATE_BYTES) && ends_in(rest, ".h5"))
            tell_record(path, f);
        else
            must(sha256_file(path, f->digest));
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct file_state *)a)->name, ((const struct file_state *)b)->name);
}

struct folder_state folder_state(const char *path, unsigned flags, struct arena *arena)
{
    struct folder_state s = {0};
    int room = 0;
    if (file_is_dir(path)) add_folder(path, "", flags, arena, &s, &room);
    struct file_state *kept = arena_alloc(arena, sizeof *kept * (size_t)(s.files + 1));
    if (s.files) memcpy(kept, s.file, sizeof *kept * (size_t)s.files);
    free(s.file);
    s.file = kept;
    qsort(s.file, (size_t)s.files, sizeof *s.file, by_name);
    return s;
}

const struct file_state *state_find(const struct folder_state *s, const char *name)
{
    struct file_state wanted = {.name = name};
    return s->files ? bsearch(&wanted, s->file, (size_t)s->files, sizeof *s->file, by_name) : NULL;
}

/* ---- comparison -------------------------------------------------------------------------------------------------- */

static char said[400];

/* Journals tell of every try. A claim and a list of measurements stay where the system refused to remove them: beside a
 * record they say nothing more. */
static int aside(const char *name)
{
    return ends_in(name, ".jsonl") || ends_in(name, ".claim") || ends_in(name, ".partial");
}

/* What a run that failed goes on from; a run that is done takes it away. */
static int is_checkpoint(const char *name)
{
    return ends_in(name, ".ckpt") || ends_in(name, ".ckpt.1");
}

const char *state_fault(const struct folder_state *s, const struct folder_state *reference)
{
    for (int i = 0; i < s->files; i++) {
        const struct file_state *f = &s->file[i], *want = state_find(reference, f->name);
        if (is_checkpoint(f->name)) continue;
        if (strncmp(f->digest, "torn", 4) != 0 && (aside(f->name) || strcmp(f->digest, "failed") == 0)) continue;
        if (want && strcmp(want->digest, f->digest) == 0) continue;
        snprintf(said, sizeof said, "left %.200s (%.60s)", f->name, f->digest);
        return said;
    }
    return "";
}

const char *state_difference(const struct folder_state *s, const struct folder_state *reference)
{
    for (int i = 0; i < s->files; i++) {
        const struct file_state *f = &s->file[i], *want = state_find(reference, f->name);
        if (aside(f->name) || (want && strcmp(want->digest, f->digest) == 0)) continue;
        snprintf(said, sizeof said, "%.200s is %.60s, expected %.60s", f->name, f->digest,
                 want ? want->digest : "no such file");
        return said;
    }
    for (int i = 0; i < reference->files; i++) {
        const char *name = reference->file[i].name;
        if (aside(name) || state_find(s, name)) continue;
        snprintf(said, sizeof said, "%.200s is missing", name);
        return said;
    }
    return "";
}
