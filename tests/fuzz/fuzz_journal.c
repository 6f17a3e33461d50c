/* The journal of a runs folder. A line that ends in "check":"="} gets its right check: what it says is believed. */
#include "tests/fuzz/fuzzing.h"

#include <string.h>
#include "core/sha256.h"
#include "core/text.h"
#include "results/record.h"

static const char open_end[] = ",\"check\":\"=\"}";
enum { OPEN = sizeof open_end - 1, DIGITS = 16 };

static status with_checks(const unsigned char *p, size_t n, struct text *out)
{
    for (const unsigned char *end = p + n; p < end;) {
        const unsigned char *stop = memchr(p, '\n', (size_t)(end - p));
        size_t line = (size_t)((stop ? stop : end) - p);
        bool open = line > OPEN && memcmp(p + line - OPEN, open_end, OPEN) == 0;
        char hex[SHA256_HEX];
        if (open) sha256_of(p, line - OPEN, hex);
        TRY(text_add(out, (const char *)p, open ? line - OPEN : line));
        if (open) TRY(text_printf(out, ",\"check\":\"%.*s\"}", DIGITS, hex));
        if (stop) TRY(text_put(out, "\n"));
        p += line + (stop != NULL);
    }
    return ST_OK;
}

static void check_line(const struct journal_line *l)
{
    const char *const text[] = {l->time, l->event, l->id, l->cell, l->file, l->sha256, l->message, l->check, l->fault};
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++)
        if (text[i]) fuzz_touch(text[i], strlen(text[i]));
    fuzz_expect(l->fault || (l->time && l->event && l->cell), "a sound line says when, what and of which cell");
}

static status run(const unsigned char *p, size_t n, struct arena *a)
{
    struct text text = {0};
    struct journal_line *line;
    int count;
    status st = with_checks(p, n, &text);
    const char *path = fuzz_file("journal.jsonl", (const unsigned char *)(text.s ? text.s : ""), text.n, a);
    text_free(&text);
    TRY(st);
    TRY(journal_read(path, a, &line, &count));
    for (int i = 0; i < count; i++) check_line(&line[i]);
    TRY(journal_add(path, "started", "id", "lora/cola/1", NULL, NULL, NULL));
    TRY(journal_read(path, a, &line, &count));
    bool torn = n > 0 && p[n - 1] != '\n'; /* what was added stands behind half a line */
    fuzz_expect(torn || (count > 0 && !line[count - 1].fault), "an event that was added is read again");
    return ST_OK;
}

const struct fuzz fuzz_journal = {"journal", "the journal of a runs folder", run};
