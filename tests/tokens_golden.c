#include "tests/pgtest.h"
#include "tests/tokens_golden.h"

#include "core/file.h"
#include "core/text.h"

static char *line_end(char *s)
{
    char *end = strchr(s, '\n');
    return end ? end : s + strlen(s);
}

static char *read_shared(struct arena *arena, const char *folder, const char *name)
{
    char *path = arena_printf(arena, "%s/%s", shared_path(folder), name), *text;
    size_t n;
    ck_ok(file_read(path, 1u << 28, arena, &text, &n));
    return text;
}

void check_golden_ids(struct tokenizer *t, const char *ids_name)
{
    struct arena *arena = arena_new("golden");
    char *text = read_shared(arena, "golden/tokenizers", "texts.txt");
    char *want = read_shared(arena, "golden/tokenizers", ids_name);
    int line = 0;
    while (*text) {
        char *text_end = line_end(text), *want_end = line_end(want);
        char text_stop = *text_end;
        *text_end = 0;
        char want_stop = *want_end;
        *want_end = 0;
        line++;
        ck_assert_msg(strcmp(encoded(t, text, (size_t)(text_end - text)), want) == 0,
                      "%s line %d: '%s' gives\n%s, not\n%s", ids_name, line, text,
                      encoded(t, text, (size_t)(text_end - text)), want);
        text = text_stop ? text_end + 1 : text_end;
        want = want_stop ? want_end + 1 : want_end;
    }
    ck_assert_int_gt(line, 100);
    ck_assert_str_eq(want, "");
    arena_free(arena);
}

void write_bytes(const char *dir, const char *name, const void *bytes, size_t n)
{
    char path[8192];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

void write_text(const char *dir, const char *name, const char *text)
{
    write_bytes(dir, name, text, strlen(text));
}

const char *fresh_folder(void)
{
    static char path[4200];
    static char base[4096];
    static int count;
    if (!base[0]) snprintf(base, sizeof base, "%s", temp_dir());
    snprintf(path, sizeof path, "%s/f%d", base, count++);
    ck_ok(file_make_dirs(path));
    return path;
}

static const char *ids_text(const struct ids *list, const struct ids *types)
{
    static struct text out;
    out.n = 0;
    ck_ok(text_put(&out, ""));
    for (int i = 0; i < list->n; i++) ck_ok(text_printf(&out, i ? " %d" : "%d", (int)list->id[i]));
    if (types) ck_ok(text_put(&out, "|"));
    for (int i = 0; types && i < types->n; i++) ck_ok(text_printf(&out, i ? " %d" : "%d", (int)types->id[i]));
    return out.s;
}

const char *encoded(struct tokenizer *t, const char *text, size_t n)
{
    struct ids list = {0};
    ck_ok(t->ops->encode(t, text, n, &list));
    const char *out = ids_text(&list, NULL);
    ids_free(&list);
    return out;
}

const char *built(struct tokenizer *t, const char *a, const char *b, int max_len)
{
    struct ids list = {0}, types = {0};
    ck_ok(tokenizer_build(t, a, b, max_len, &list, &types));
    ck_assert_int_eq(list.n, types.n);
    const char *out = ids_text(&list, &types);
    ids_free(&list);
    ids_free(&types);
    return out;
}

static void survives(struct tokenizer *t, const char *text, size_t n)
{
    char *exact = malloc(n ? n : 1); /* no byte more, so that a sanitizer sees reads past the end */
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, text, n);
    struct ids list = {0};
    ck_ok(t->ops->encode(t, exact, n, &list));
    int outside = 0;
    for (int i = 0; i < list.n; i++) outside += list.id[i] < 0 || list.id[i] >= t->vocab;
    ck_assert_int_eq(outside, 0);
    ids_free(&list);
    free(exact);
}

void survives_hostile_text(struct tokenizer *t, size_t longest)
{
    static const char *const bad[] = {"\xC3",           "a\xE2\x82",
                                      "\xED\xA0\x80 x", "\xF8\x88\x80\x80\x80",
                                      "\xC0\x80",       "\xF4\x90\x80\x80",
                                      "\xFF\xFE\xFD",   "\x80\x80 ok \xBF",
                                      "\xF0\x9F\x98",   "",
                                      "\xEF\xBF\xBF",   "\xCC\x80\xCC\x80",
                                      "\xE2\x80\x8D",   " \t\r\n\v\f ",
                                      "\x7F\x01"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) survives(t, bad[i], strlen(bad[i]));
    survives(t, "a\0b\0\0", 5);
    static const char *const unit[] = {"a",    " ", "\0",       "\xC3\xA9", "\xFF", "\xE4\xBD\xA0",
                                       "ab\n", "1", "\xCE\xA3", "'",        "["};
    for (size_t u = 0; u < sizeof unit / sizeof unit[0]; u++) {
        size_t one = strlen(unit[u]) ? strlen(unit[u]) : 1, n = longest;
        char *big = malloc(n + 4);
        for (size_t i = 0; i < n; i += one) memcpy(big + i, unit[u], one);
        survives(t, big, n / one * one);
        free(big);
    }
    unsigned long long x = 88172645463325252u;
    for (int round = 0; round < 300; round++) {
        char noise[200] = {0};
        size_t n = (size_t)(round % (int)sizeof noise);
        for (size_t i = 0; i < n; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            noise[i] = round % 3 == 0 ? (char)(x >> 24) : (char)(0x20 + (x >> 24) % 0x60);
        }
        survives(t, noise, n);
    }
}
