#include "bench/provenance.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <gnu/libc-version.h>
#include <jansson.h>
#include <pcre2.h>
#include <string.h>
#include <utf8proc.h>
#include "core/file.h"
#include "core/gemm.h"
#include "core/text.h"
#include "results/record.h"

enum { MOST_COMMAND = 1 << 16 };

/* 'it'\''s': as a shell reads it. */
static status put_word(struct text *t, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%";
    if (*word && strspn(word, plain) == strlen(word)) return text_put(t, word);
    TRY(text_put(t, "'"));
    for (; *word; word++) TRY(*word == '\'' ? text_put(t, "'\\''") : text_add(t, word, 1));
    return text_put(t, "'");
}

static status put_words(struct text *t, const char *words, size_t n)
{
    for (size_t at = 0; at < n; at += strlen(words + at) + 1) {
        if (at) TRY(text_put(t, " "));
        TRY(put_word(t, words + at));
    }
    return ST_OK;
}

/* The kernel keeps the words of the process, also of children that only forked. */
status provenance_command(struct arena *arena, const char **out)
{
    struct text t = {0};
    char *words = arena_zalloc(arena, MOST_COMMAND + 1);
    if (!words) return ST_MEMORY;
    size_t n;
    if (file_head("/proc/self/cmdline", words, MOST_COMMAND, &n) != ST_OK) n = 0; /* a note, no reason to fail */
    status st = put_words(&t, words, n);
    if (st == ST_OK && !(*out = arena_strdup(arena, t.n ? t.s : ""))) st = ST_MEMORY;
    text_free(&t);
    return st;
}

status provenance_libraries(struct arena *arena, const char **out)
{
    char hdf5[32], pcre[64] = "";
    record_library_version(hdf5, sizeof hdf5);
    if (pcre2_config(PCRE2_CONFIG_VERSION, NULL) < (int)sizeof pcre) pcre2_config(PCRE2_CONFIG_VERSION, pcre);
    *out =
        arena_printf(arena, "glibc %s, HDF5 %s, %s, PCRE2 %.*s, utf8proc %s, jansson %s", gnu_get_libc_version(), hdf5,
                     gemm_openblas_version(), (int)strcspn(pcre, " "), pcre, utf8proc_version(), jansson_version_str());
    return *out ? ST_OK : ST_MEMORY;
}
