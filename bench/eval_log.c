#include "bench/eval_log.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/file.h"
#include "core/text.h"

static const size_t size_max = (size_t)1 << 31;

struct entry {
    unsigned long long key; /* of "STEP SET VARIANT" */
    int index, words;
    const uint32_t *word;
};

struct eval_log {
    const char *path;
    struct arena *arena;
    struct entry *entry; /* of earlier processes, sorted */
    int entries;
    struct text fresh; /* lines not yet written */
};

static int by_key(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;
    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

/* The end of the first n words of a line, or NULL. */
static char *skip_words(char *p, int n)
{
    for (; n > 0 && p; n--)
        if ((p = strchr(p, ' ')) != NULL && n > 1) p++;
    return p;
}

/* One line without its end; false: it is no whole line of this form. */
static bool parse(struct eval_log *log, char *line, struct entry *e)
{
    char *check = strrchr(line, ' '), *end, *index = skip_words(line, 3);
    if (!check || !index || index >= check) return false;
    *check = 0;
    if (strtoul(check + 1, &end, 16) != text_hash32(line) || *end || end != check + 9) return false;
    *index = 0;
    *e = (struct entry){.key = text_hash64(line), .index = (int)strtol(index + 1, &end, 10)};
    for (const char *p = end; *p; p++) e->words += *p == ' ';
    uint32_t *word = arena_alloc(log->arena, sizeof *word * (size_t)(e->words + 1));
    if (!word) return false;
    for (int i = 0; i < e->words; i++) word[i] = (uint32_t)strtoul(end + 1, &end, 16);
    e->word = word;
    return *end == 0;
}

static status read_file(struct eval_log *log)
{
    char *text, *rest = NULL;
    size_t size;
    int lines = 1, there;
    TRY(file_ask(log->path, &there));
    if (!there) return ST_OK;
    TRY(file_read(log->path, size_max, log->arena, &text, &size));
    for (const char *p = text; *p; p++) lines += *p == '\n';
    NEW(log->entry, log->arena, lines);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        log->entries += parse(log, line, &log->entry[log->entries]);
    qsort(log->entry, (size_t)log->entries, sizeof *log->entry, by_key);
    return ST_OK;
}

status eval_log_open(const char *path, struct arena *arena, struct eval_log **out)
{
    struct eval_log *log;
    ZNEW(log, arena, 1);
    log->arena = arena;
    if (!(log->path = arena_strdup(arena, path))) return ST_MEMORY;
    TRY(read_file(log));
    if (log->entries) notice("%d measurements of an earlier process are taken from %s", log->entries, path);
    *out = log;
    return ST_OK;
}

void eval_log_close(struct eval_log *log)
{
    if (log) text_free(&log->fresh);
}

void eval_log_remove(struct eval_log *log)
{
    if (log && file_remove(log->path) != ST_OK) notice("%s", status_message());
}

static const char *name_of(const char *variant)
{
    return *variant ? variant : "-";
}

const uint32_t *eval_log_find(const struct eval_log *log, long step, const char *set, const char *variant, int index,
                              int *words)
{
    char head[256];
    if (!log || log->entries == 0) return NULL;
    snprintf(head, sizeof head, "%ld %s %s", step, set, name_of(variant));
    struct entry wanted = {.key = text_hash64(head), .index = index};
    const struct entry *e = bsearch(&wanted, log->entry, (size_t)log->entries, sizeof *e, by_key);
    if (e) *words = e->words;
    return e ? e->word : NULL;
}

status eval_log_put(struct eval_log *log, long step, const char *set, const char *variant, int index,
                    const uint32_t *word, int words)
{
    if (!log) return ST_OK;
    size_t from = log->fresh.n;
    TRY(text_printf(&log->fresh, "%ld %s %s %d", step, set, name_of(variant), index));
    for (int i = 0; i < words; i++) TRY(text_printf(&log->fresh, " %x", (unsigned)word[i]));
    return text_printf(&log->fresh, " %08x\n", text_hash32(log->fresh.s + from));
}

status eval_log_flush(struct eval_log *log)
{
    if (!log || log->fresh.n == 0) return ST_OK;
    status st = file_append_line(log->path, log->fresh.s);
    log->fresh.n = 0;
    return st;
}
