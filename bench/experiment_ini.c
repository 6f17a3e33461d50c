/* inih does the line syntax. Headings are taken from the lines here: inih's own copy of a section name ends after 49
 * characters, and it never tells of an empty section. */
#include "bench/experiment_ini.h"

#include <ctype.h>
#include <ini.h>
#include <string.h>
#include "core/file.h"
#include "core/text.h"

enum { MAX_FILE = 4 << 20, MAX_LINE = 4096 };

struct source {
    struct ini_file *file;
    struct arena *arena;
    struct key_value *kv; /* all pairs of the file; sections hold slices */
    int pairs;
    const char *at;
    int line;
    status st; /* the first fault */
};

static status heading(struct source *s, const char *p)
{
    struct ini_file *f = s->file;
    const char *end = strchr(p, ']');
    FAIL_IF(!end, ST_USAGE, "%s:%d: a section heading needs a closing ]", f->path, s->line);
    const char *rest = end + 1 + strspn(end + 1, " \t\r\n");
    FAIL_IF(*rest && *rest != '#' && *rest != ';', ST_USAGE, "%s:%d: nothing may follow the ] of a section heading",
            f->path, s->line);
    char *inner = arena_printf(s->arena, "%.*s", (int)(end - p - 1), p + 1), **word;
    int n;
    if (!inner) return ST_MEMORY;
    for (char *c = inner; *c; c++)
        if (*c == '\t') *c = ' ';
    TRY(text_split(inner, ' ', s->arena, &word, &n));
    FAIL_IF(n == 0, ST_USAGE, "%s:%d: a section heading needs a name", f->path, s->line);
    const char *name = word[0];
    for (int i = 1; i < n; i++)
        if (!(name = arena_printf(s->arena, "%s %s", name, word[i]))) return ST_MEMORY;
    f->section[f->sections++] = (struct ini_section){name, f->path, s->line, s->kv + s->pairs, 0};
    return ST_OK;
}

/* One line to inih: fgets over the text in memory. NULL at the end and after a fault. */
static char *next_line(char *buf, int size, void *ctx)
{
    struct source *s = ctx;
    if (s->st != ST_OK || !*s->at) return NULL;
    size_t n = strcspn(s->at, "\n");
    s->line++;
    if (n + 2 > (size_t)size) {
        s->st = fail(ST_USAGE, "%s:%d: the line is longer than %d characters", s->file->path, s->line, size - 2);
        return NULL;
    }
    memcpy(buf, s->at, n);
    buf[n] = 0;
    s->at += n + (s->at[n] == '\n');
    const char *p = buf;
    if (s->line == 1 && strncmp(p, "\xEF\xBB\xBF", 3) == 0) p += 3;
    while (isspace((unsigned char)*p)) p++;
    if (*p == '[') s->st = heading(s, p);
    return s->st == ST_OK ? buf : NULL;
}

static status add_pair(struct source *s, const char *key, const char *value)
{
    struct ini_file *f = s->file;
    FAIL_IF(f->sections == 0, ST_USAGE, "%s:%d: '%s' stands before the first [section]", f->path, s->line, key);
    FAIL_IF(!*key, ST_USAGE, "%s:%d: a name is missing before the =", f->path, s->line);
    struct ini_section *sec = &f->section[f->sections - 1];
    const struct key_value *old = ini_get(sec, key);
    FAIL_IF(old, ST_USAGE, "%s:%d: '%s' is given twice in [%s] (first on line %d)", f->path, s->line, key, sec->name,
            old->line);
    const char *k = arena_strdup(s->arena, key), *v = arena_strdup(s->arena, value);
    if (!k || !v) return ST_MEMORY;
    s->kv[s->pairs++] = (struct key_value){k, v, f->path, s->line};
    sec->count++;
    return ST_OK;
}

static int on_pair(void *ctx, const char *section, const char *key, const char *value)
{
    struct source *s = ctx;
    (void)section;
    if (s->st == ST_OK) s->st = add_pair(s, key, value);
    return s->st == ST_OK;
}

const struct key_value *ini_get(const struct ini_section *sec, const char *key)
{
    for (int i = 0; sec && i < sec->count; i++)
        if (strcmp(sec->kv[i].key, key) == 0) return &sec->kv[i];
    return NULL;
}

status ini_read(const char *path, struct arena *arena, struct ini_file *f)
{
    char *text;
    size_t size;
    TRY(file_read(path, MAX_FILE, arena, &text, &size));
    FAIL_IF(size >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0), ST_USAGE,
            "%s:1: the file is UTF-16, expected UTF-8", path);
    FAIL_IF(strlen(text) != size, ST_USAGE, "%s: holds zero bytes: not a text file", path);
    int lines = 1;
    for (const char *p = text; *p; p++) lines += *p == '\n';
    *f = (struct ini_file){.path = path};
    struct source s = {.file = f, .arena = arena, .at = text};
    NEW(f->section, arena, lines);
    NEW(s.kv, arena, lines);
    /* inih's switches are process-wide; nothing else in the program uses it. */
    ini_use_stack = false;
    ini_initial_alloc = ini_max_line = MAX_LINE;
    ini_allow_multiline = false;
    ini_stop_on_first_error = true;
    ini_inline_comment_prefixes = (char *)";#";
    int bad = ini_parse_stream(next_line, &s, on_pair, &s);
    if (s.st != ST_OK) return s.st;
    FAIL_IF(bad > 0, ST_USAGE, "%s:%d: expected [section], name = value or a comment", path, bad);
    FAIL_IF(bad < 0, ST_MEMORY, "out of memory while reading %s", path);
    return ST_OK;
}
