/* Golden cases of tokenizers: DIR/tokenizers/texts.txt line by line against NAME.<reference>.ids, with the tokenizer
 * files in DIR/../tokenizers/NAME. */
#include "datasets/tokenizer.h"

#include <stdio.h>
#include <string.h>
#include "core/file.h"
#include "tests/golden/golden.h"

static const size_t texts_max = (size_t)1 << 30;

/* The next line of *text, which ends at end: its length; *text moves behind it. */
static size_t next_line(const char **text, const char *end, const char **line)
{
    const char *stop = memchr(*text, '\n', (size_t)(end - *text));
    *line = *text;
    *text = stop ? stop + 1 : end;
    return (size_t)((stop ? stop : end) - *line);
}

static bool same_ids(const struct ids *got, const char *want, size_t n, struct arena *a)
{
    struct arena_mark mark = arena_mark(a);
    size_t room = (size_t)got->n * 12 + 1, at = 0;
    char *text = arena_alloc(a, room);
    if (!text) return false;
    text[0] = '\0';
    for (int i = 0; i < got->n; i++) at += (size_t)snprintf(text + at, room - at, i ? " %d" : "%d", (int)got->id[i]);
    bool same = at == n && memcmp(text, want, n) == 0;
    arena_reset(a, mark);
    return same;
}

static status compare(struct check *c, struct tokenizer *t, const char *ids_path, struct ids *got)
{
    const char *path = check_path(c, "texts.txt"), *line, *ids;
    char *text, *want;
    size_t text_n, want_n;
    int total = 0, equal = 0, first = 0;
    if (!path) return ST_MEMORY;
    TRY(file_read(path, texts_max, c->arena, &text, &text_n));
    TRY(file_read(ids_path, texts_max, c->arena, &want, &want_n));
    const char *at = text, *text_end = text + text_n, *reference = want, *want_end = want + want_n;
    while (at < text_end) {
        size_t n = next_line(&at, text_end, &line), m = next_line(&reference, want_end, &ids);
        got->n = 0;
        TRY(t->ops->encode(t, line, n, got));
        bool same = same_ids(got, ids, m, c->arena);
        total++;
        equal += same;
        if (!same && !first) first = total;
    }
    FAIL_IF(reference != want_end, ST_INPUT, "%s: more lines than texts", ids_path);
    if (first)
        check_say(c, false, "%d / %d lines equal, all expected; the first other one is line %d", equal, total, first);
    else
        check_say(c, total > 0, "%d / %d lines equal, all expected", equal, total);
    return ST_OK;
}

/* The folder of the tokenizer: the part of the file's name before the first dot that has one (names have dots too). */
static status find_folder(struct check *c, const char *file, const char **folder)
{
    *folder = NULL;
    size_t n = strlen(file) - strlen(".ids");
    while (n > 0 && !*folder) {
        while (n > 0 && file[n] != '.') n--;
        const char *dir = arena_printf(c->arena, "%s/../tokenizers/%.*s", c->root, (int)n, file);
        if (!dir) return ST_MEMORY;
        if (n > 0 && file_is_dir(dir)) *folder = dir;
        if (n > 0) n--;
    }
    return *folder ? ST_OK : check_skip(c, "%s/../tokenizers has no folder for it", c->root);
}

status check_tokenizer(struct check *c, void *ctx)
{
    const char *file = ctx, *folder;
    struct tokenizer *t;
    struct ids got = {0};
    const char *path = check_path(c, file);
    if (!path) return ST_MEMORY;
    TRY(find_folder(c, file, &folder));
    if (c->skip) return ST_OK;
    status st = tokenizer_open(folder, c->arena, &t);
    if (st == ST_UNSUPPORTED) return check_skip(c, "%s", status_message());
    if (st != ST_OK) return st;
    st = compare(c, t, path, &got);
    ids_free(&got);
    tokenizer_close(t);
    return st;
}
