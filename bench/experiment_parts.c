#include "bench/experiment_parts.h"

#include <string.h>
#include "bench/paths.h"
#include "core/file.h"
#include "core/text.h"

enum { DEPTH = 8 }; /* of files like files */

const char *section_place(const struct ini_section *s, struct arena *arena)
{
    const char *place = arena_printf(arena, "%s:%d", s->path, s->line);
    return place ? place : s->path;
}

/* ---- headings ---- */

static status unknown_section(const struct ini_section *s, const char *word, const char *const *kinds, int count,
                              struct arena *arena)
{
    const char *near = text_nearest(word, kinds, count), *at = section_place(s, arena);
    int alone = near && (strcmp(near, "experiment") == 0 || strcmp(near, "train") == 0);
    if (near && strcmp(near, word) != 0)
        return fail(ST_USAGE, "%s: unknown section [%s]; did you mean [%s%s]?", at, s->name, near, alone ? "" : " ...");
    return fail(ST_USAGE,
                "%s: section [%s] is not one of [experiment], [train], [task T], [row R], [row R task T], [tune R]", at,
                s->name);
}

static status classify(const struct ini_section *s, struct arena *arena, struct part *p)
{
    static const char *const kinds[] = {"experiment", "train", "task", "row", "method", "tune"};
    char **w;
    int n;
    *p = (struct part){.section = *s};
    TRY(text_split(s->name, ' ', arena, &w, &n));
    bool row = strcmp(w[0], "row") == 0 || strcmp(w[0], "method") == 0;
    if (n == 5 && strcmp(w[2], "/") == 0) { /* [row R / task T] */
        w[2] = w[3];
        w[3] = w[4];
        n = 4;
    }
    if (n == 1 && strcmp(w[0], "experiment") == 0) {
        p->kind = PART_EXPERIMENT;
    } else if (n == 1 && strcmp(w[0], "train") == 0) {
        p->kind = PART_TRAIN;
    } else if (n == 2 && strcmp(w[0], "task") == 0) {
        p->kind = PART_TASK;
        p->task = w[1];
    } else if (n == 2 && strcmp(w[0], "tune") == 0) {
        p->kind = PART_TUNE;
        p->row = w[1];
    } else if (n == 2 && row) {
        p->kind = PART_ROW;
        p->row = w[1];
    } else if (n == 4 && row && strcmp(w[2], "task") == 0) {
        p->kind = PART_ROW_TASK;
        p->row = w[1];
        p->task = w[3];
    } else {
        return unknown_section(s, w[0], kinds, 6, arena);
    }
    return ST_OK;
}

static bool same_name(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static struct part *find(const struct parts *parts, enum part_kind kind, const char *row, const char *task)
{
    for (int i = 0; i < parts->count; i++) {
        struct part *p = &parts->part[i];
        if (p->kind == kind && same_name(p->row, row) && same_name(p->task, task)) return p;
    }
    return NULL;
}

const struct ini_section *parts_find(const struct parts *parts, enum part_kind kind, const char *row, const char *task)
{
    const struct part *p = find(parts, kind, row, task);
    return p ? &p->section : NULL;
}

static status read_one(const char *path, struct arena *arena, struct parts *parts)
{
    struct ini_file ini;
    *parts = (struct parts){0};
    TRY(ini_read(path, arena, &ini));
    NEW(parts->part, arena, ini.sections + 1);
    for (int i = 0; i < ini.sections; i++) {
        struct part p;
        TRY(classify(&ini.section[i], arena, &p));
        const struct part *first = find(parts, p.kind, p.row, p.task);
        FAIL_IF(first, ST_USAGE, "%s: section [%s] appears twice (first on line %d)", section_place(&p.section, arena),
                p.section.name, first->section.line);
        parts->part[parts->count++] = p;
    }
    FAIL_IF(!find(parts, PART_EXPERIMENT, NULL, NULL), ST_USAGE, "%s: the section [experiment] is missing", path);
    return ST_OK;
}

/* ---- like = FILE ---- */

/* A file beside the one that says so, or an experiment that comes along. */
static status find_other(const struct key_value *kv, struct arena *arena, const char **path)
{
    char *folder = path_folder(arena, kv->path);
    for (int k = 0; folder && k < 2; k++) {
        *path = kv->value[0] == '/' ? arena_printf(arena, "%s%s", kv->value, k ? ".ini" : "")
                                    : arena_printf(arena, "%s/%s%s", folder, kv->value, k ? ".ini" : "");
        if (!*path) return ST_MEMORY;
        if (file_exists(*path) && !file_is_dir(*path)) return ST_OK;
    }
    if (!folder) return ST_MEMORY;
    FAIL_IF(strchr(kv->value, '/'), ST_USAGE,
            "%s:%d: no experiment file '%s': a path is taken from the folder of the file that names it", kv->path,
            kv->line, kv->value);
    status st = experiment_find(kv->value, arena, path);
    return st == ST_OK ? st : fail_in(st, "%s:%d", kv->path, kv->line);
}

static bool of_its_own(const struct part *p, const char *key)
{
    return p->kind == PART_EXPERIMENT &&
           (strcmp(key, "like") == 0 || strcmp(key, "name") == 0 || strcmp(key, "description") == 0);
}

static status take_keys(struct part *p, const struct ini_section *other, struct arena *arena)
{
    struct key_value *kv;
    int n = p->section.count;
    NEW(kv, arena, n + other->count + 1);
    if (n) memcpy(kv, p->section.kv, sizeof *kv * (size_t)n);
    for (int i = 0; i < other->count; i++)
        if (!ini_get(&p->section, other->kv[i].key) && !of_its_own(p, other->kv[i].key)) kv[n++] = other->kv[i];
    p->section.kv = kv;
    p->section.count = n;
    return ST_OK;
}

static status take_over(struct parts *parts, const struct parts *other, struct arena *arena)
{
    struct parts all = {.count = parts->count};
    NEW(all.part, arena, parts->count + other->count);
    memcpy(all.part, parts->part, sizeof *all.part * (size_t)parts->count);
    for (int i = 0; i < other->count; i++) {
        const struct part *from = &other->part[i];
        struct part *p = find(&all, from->kind, from->row, from->task);
        if (p) {
            TRY(take_keys(p, &from->section, arena));
        } else {
            all.part[all.count] = *from;
            all.part[all.count++].inherited = true;
        }
    }
    *parts = all;
    return ST_OK;
}

static status read_deep(const char *path, int depth, struct arena *arena, struct parts *parts)
{
    struct parts other;
    const char *other_path;
    TRY(read_one(path, arena, parts));
    const struct key_value *kv = ini_get(parts_find(parts, PART_EXPERIMENT, NULL, NULL), "like");
    if (!kv) return ST_OK;
    FAIL_IF(depth == DEPTH, ST_USAGE, "%s:%d: files are like files more than %d deep: is one like itself?", kv->path,
            kv->line, DEPTH);
    TRY(find_other(kv, arena, &other_path));
    TRY(read_deep(other_path, depth + 1, arena, &other));
    return take_over(parts, &other, arena);
}

status parts_read(const char *path, struct arena *arena, struct parts *parts)
{
    return read_deep(path, 1, arena, parts);
}
