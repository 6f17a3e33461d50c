/* The measurements of an interrupted evaluation. A line that ends in " =" gets its right check, so that what it says is
 * believed. */
#include "tests/fuzz/fuzzing.h"

#include <string.h>
#include "bench/eval_log.h"
#include "core/text.h"

static status with_checks(const unsigned char *p, size_t n, struct text *out)
{
    for (const unsigned char *end = p + n; p < end;) {
        const unsigned char *stop = memchr(p, '\n', (size_t)(end - p));
        size_t line = (size_t)((stop ? stop : end) - p), from = out->n;
        bool open = line > 2 && memcmp(p + line - 2, " =", 2) == 0;
        TRY(text_add(out, (const char *)p, open ? line - 2 : line));
        if (open) TRY(text_printf(out, " %08x", text_hash32(out->s + from)));
        if (stop) TRY(text_put(out, "\n"));
        p += line + (stop != NULL);
    }
    return ST_OK;
}

static status use(const char *path, struct arena *a)
{
    struct eval_log *log;
    int words = 0;
    TRY(eval_log_open(path, a, &log));
    for (int i = 0; i < 3; i++) {
        const uint32_t *word = eval_log_find(log, 10, "dev", i ? "" : "rank=4", i, &words);
        if (word) fuzz_touch(word, sizeof *word * (size_t)words);
    }
    status st = eval_log_put(log, 10, "dev", "", 3, (const uint32_t[]){1, 2}, 2);
    if (st == ST_OK) st = eval_log_flush(log);
    eval_log_close(log);
    return st;
}

static status run(const unsigned char *p, size_t n, struct arena *a)
{
    struct text file = {0};
    struct eval_log *log;
    int words = 0;
    status st = with_checks(p, n, &file);
    const char *path = fuzz_file("run.partial", (const unsigned char *)(file.s ? file.s : ""), file.n, a);
    text_free(&file);
    if (st == ST_OK) st = use(path, a);
    TRY(st);
    /* A line that is put behind whatever was there is found again. */
    TRY(eval_log_open(path, a, &log));
    const uint32_t *word = eval_log_find(log, 10, "dev", "", 3, &words);
    bool torn = n > 0 && p[n - 1] != '\n'; /* it ran into a line without end: lost, as after a kill */
    fuzz_expect(torn || (n > 0 && memchr(p, 0, n)) || word, "a measurement was lost");
    eval_log_close(log);
    return ST_OK;
}

const struct fuzz fuzz_eval_log = {"eval_log", "the measurements of an interrupted evaluation", run};
