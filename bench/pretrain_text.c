#include <limits.h>
#include <string.h>
#include "bench/pretrain.h"
#include "datasets/mini.h"

static const char *line_end(const struct pretrain_text *t, const char *line)
{
    const char *end = (const char *)t->map.data + t->map.size;
    const char *stop = memchr(line, '\n', (size_t)(end - line));
    return stop ? stop : end;
}

static bool blank(const char *s, const char *end)
{
    while (s < end && strchr(" \t\r", *s)) s++;
    return s == end;
}

/* Counts the lines that are not blank; keeps where they begin when line is given. */
static long find_lines(const struct pretrain_text *t, const char **line)
{
    const char *at = (const char *)t->map.data, *end = at + t->map.size;
    long n = 0;
    while (at < end) {
        const char *stop = line_end(t, at);
        if (!blank(at, stop)) {
            if (line) line[n] = at;
            n++;
        }
        at = stop + 1;
    }
    return n;
}

status pretrain_text_open(const char *text, uint64_t seed, struct arena *arena, struct pretrain_text *t)
{
    *t = (struct pretrain_text){.rng.seed = seed, .epoch = UINT64_MAX};
    if (strcmp(text, "mini") == 0) return ST_OK;
    TRY(file_map(text, &t->map));
    long n = find_lines(t, NULL);
    FAIL_IF(n == 0, ST_INPUT, "%s: the file holds no text", text);
    FAIL_IF(n > INT_MAX, ST_INPUT, "%s: %ld lines, expected at most %d", text, n, INT_MAX);
    t->lines = (int)n;
    NEW(t->line, arena, n);
    NEW(t->order, arena, n);
    find_lines(t, t->line);
    return ST_OK;
}

void pretrain_text_close(struct pretrain_text *t)
{
    file_unmap(&t->map);
    text_free(&t->a);
    text_free(&t->b);
}

static status from_file(struct pretrain_text *t, uint64_t index)
{
    uint64_t epoch = index / (uint64_t)t->lines;
    if (epoch != t->epoch) rng_permutation(&t->rng, RNG_SHUFFLE, epoch, 0, t->lines, t->order);
    t->epoch = epoch;
    const char *line = t->line[t->order[index % (uint64_t)t->lines]], *end = line_end(t, line);
    if (end > line && end[-1] == '\r') end--;
    const char *tab = memchr(line, '\t', (size_t)(end - line));
    TRY(text_add(&t->a, line, (size_t)((tab ? tab : end) - line)));
    return tab ? text_add(&t->b, tab + 1, (size_t)(end - tab - 1)) : ST_OK;
}

status pretrain_text_get(struct pretrain_text *t, uint64_t index)
{
    t->a.n = t->b.n = 0;
    if (t->lines) return from_file(t, index);
    struct line a, b;
    mini_corpus_text(&t->rng, index, &a, &b);
    TRY(text_add(&t->a, a.s, (size_t)a.n));
    return text_add(&t->b, b.s, (size_t)b.n);
}
