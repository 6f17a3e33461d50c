#include "tests/pgtest.h"
#include "tests/tokens_golden.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include "core/file.h"
#include "datasets/dataset.h"
#include "datasets/token_file.h"

/* A task whose rows the test holds in memory. */
static const char *text_a[] = {"a b c", "", "d", "a b c d e f"}, *text_b[] = {"b", "c c", "", "f e d"};
static float label[] = {0, 1, 1, 2.5f};
static struct rows source;

static status load(const struct task *task, const struct task_set *set, const char *root, int max, struct arena *arena,
                   struct rows *rows)
{
    (void)task, (void)set;
    FAIL_IF(root && strcmp(root, "broken") == 0, ST_INPUT, "dev.tsv:7: column 2: no label");
    *rows = source;
    if (max > 0 && max < rows->n) rows->n = max;
    /* The texts live in the arena, as a real task's do: whoever keeps them too long is found out by a sanitizer. */
    NEW(rows->a, arena, rows->n + 1);
    for (int i = 0; i < rows->n; i++) rows->a[i] = arena_strdup(arena, source.a[i]);
    return ST_OK;
}

static const struct task task = {.name = "made-up", .load = load};
static const struct task_set set = {.name = "train"};
static struct arena *arena;
static struct tokenizer *tokenizer;

static void begin(void)
{
    notice_quiet(1);
    source = (struct rows){4, text_a, text_b, label, NULL, NULL};
    arena = arena_new("test");
    const char *dir = fresh_folder();
    write_text(dir, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nd\ne\nf\n");
    ck_ok(tokenizer_open(dir, arena, &tokenizer));
}

static void end(void)
{
    tokenizer_close(tokenizer);
    arena_free(arena);
}

static status get(const char *cache, bool want_rows, struct tokens *out)
{
    return tokens_load(&task, &set, NULL, 0, tokenizer, 8, cache, want_rows, arena, out);
}

static void check_pairs(const struct tokens *t)
{
    static const uint64_t offset[] = {0, 7, 12, 16, 24};
    static const int32_t ids[] = {2, 5, 6, 7, 3, 6, 3, 2, 3, 7, 7, 3, 2, 8, 3, 3, 2, 5, 6, 7, 3, 10, 9, 3};
    static const uint8_t types[] = {0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 1, 1};
    ck_assert_int_eq(t->n, 4);
    ck_assert_int_eq(t->longest, 8);
    ck_assert_int_eq(t->truncated, 1);
    ck_assert_int_eq(memcmp(t->offset, offset, sizeof offset), 0);
    ck_assert_int_eq(memcmp(t->ids, ids, sizeof ids), 0);
    ck_assert_int_eq(memcmp(t->types, types, sizeof types), 0);
    ck_assert_int_eq(memcmp(t->label, label, sizeof label), 0);
    ck_assert_uint_eq(strlen(t->key), 64);
    ck_assert_uint_eq(strlen(t->data_hash), 64);
}

static const char *cache_file(const char *dir)
{
    static char path[8192];
    char **names;
    int count;
    ck_ok(file_list(dir, NULL, arena, &names, &count));
    ck_assert_int_eq(count, 1); /* one file, no temporary ones left */
    snprintf(path, sizeof path, "%s/%s", dir, names[0]);
    return path;
}

START_TEST(in_memory_and_cached_are_equal)
{
    begin();
    struct tokens a, b, c;
    ck_ok(get(NULL, false, &a));
    check_pairs(&a);
    ck_assert_ptr_null(a.rows.a);
    char dir[5000];
    snprintf(dir, sizeof dir, "%s/deep/er", fresh_folder());
    ck_ok(get(dir, true, &b)); /* makes the folder and the file */
    check_pairs(&b);
    ck_assert_str_eq(b.rows.a[3], "a b c d e f");
    struct stat before, after;
    ck_assert_int_eq(stat(cache_file(dir), &before), 0);
    ck_ok(get(dir, false, &c)); /* only maps it */
    check_pairs(&c);
    ck_assert_int_eq(stat(cache_file(dir), &after), 0);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
    ck_assert_ptr_nonnull(c.priv);
    ck_assert_str_eq(a.key, b.key);
    ck_assert_str_eq(a.data_hash, c.data_hash);
    tokens_close(&a);
    tokens_close(&b);
    tokens_close(&c);
    tokens_close(&c);
    end();
}
END_TEST

START_TEST(single_unlabelled_and_empty_sets)
{
    begin();
    const char *dir = fresh_folder();
    struct tokens t;
    source.b = NULL;
    source.label = NULL;
    for (int round = 0; round < 2; round++) {
        ck_ok(get(dir, false, &t));
        ck_assert_ptr_null(t.label);
        ck_assert_uint_eq(t.offset[1], 5);
        ck_assert_int_eq(t.types[4], 0);
        ck_assert_int_eq(t.longest, 8);
        ck_assert_int_eq(t.truncated, 0);
        tokens_close(&t);
    }
    source.n = 0;
    for (int round = 0; round < 2; round++) {
        ck_ok(get(dir, false, &t));
        ck_assert_int_eq(t.n, 0);
        ck_assert_uint_eq(t.offset[0], 0);
        ck_assert_int_eq(t.longest, 0);
        tokens_close(&t);
    }
    end();
}
END_TEST

START_TEST(keys_tell_inputs_apart)
{
    begin();
    struct tokens t[7];
    ck_ok(get(NULL, false, &t[0]));
    ck_ok(tokens_load(&task, &set, NULL, 3, tokenizer, 8, NULL, false, arena, &t[1]));
    ck_ok(tokens_load(&task, &set, NULL, 0, tokenizer, 9, NULL, false, arena, &t[2]));
    label[0] = 2;
    ck_ok(get(NULL, false, &t[3]));
    label[0] = 0;
    const char *a[] = {"a b c", "", "d", "a b c d e f"}, *b[] = {"b", "c c", "", "f e d."};
    source.a = a;
    source.b = b;
    ck_ok(get(NULL, false, &t[4]));
    source.b = NULL;
    ck_ok(get(NULL, false, &t[5]));
    source = (struct rows){4, text_a, text_b, label, NULL, NULL};
    struct tokenizer *other = tokenizer;
    const char *dir = fresh_folder();
    write_text(dir, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nd\nf\ne\n");
    ck_ok(tokenizer_open(dir, arena, &tokenizer));
    ck_ok(get(NULL, false, &t[6]));
    for (int i = 0; i < 7; i++)
        for (int j = 0; j < i; j++) ck_assert_str_ne(t[i].key, t[j].key);
    for (int i = 0; i < 7; i++) tokens_close(&t[i]);
    tokenizer_close(other);
    end();
}
END_TEST

START_TEST(damaged_files_are_made_anew)
{
    begin();
    const char *dir = fresh_folder();
    struct tokens t;
    ck_ok(get(dir, false, &t));
    tokens_close(&t);
    char *good, *now;
    size_t n, m;
    ck_ok(file_read(cache_file(dir), 1 << 20, arena, &good, &n));
    char *name = arena_strdup(arena, strrchr(cache_file(dir), '/') + 1);
    for (size_t at = 0; at < n; at++) { /* each byte changed once */
        char *bad = malloc(n);
        memcpy(bad, good, n);
        bad[at] = (char)(bad[at] ^ (1 << at % 8));
        write_bytes(dir, name, bad, n);
        free(bad);
        ck_ok(get(dir, false, &t));
        check_pairs(&t);
        tokens_close(&t);
        ck_ok(file_read(cache_file(dir), 1 << 20, arena, &now, &m));
        ck_assert_msg(n == m && memcmp(now, good, n) == 0, "the file damaged at byte %zu was used", at);
    }
    for (size_t cut = 0; cut < n; cut += 37) { /* cut short */
        write_bytes(dir, name, good, cut);
        ck_ok(get(dir, false, &t));
        check_pairs(&t);
        tokens_close(&t);
    }
    char *longer = calloc(1, n + 64);
    memcpy(longer, good, n);
    write_bytes(dir, name, longer, n + 64);
    free(longer);
    ck_ok(get(dir, false, &t));
    check_pairs(&t);
    tokens_close(&t);
    end();
}
END_TEST

/* A file whose checksum is right but whose content is not: refused by name of the fault. */
START_TEST(wrong_content_is_refused)
{
    begin();
    static const uint64_t good[] = {0, 2, 3}, back[] = {0, 3, 2}, late[] = {1, 2, 3};
    static const int32_t ids[] = {1, 2, 3}, high[] = {1, 2, 9}, low[] = {1, -2, 3};
    static const uint8_t types[] = {0, 0, 1};
    static const struct {
        const uint64_t *offset;
        const int32_t *ids;
        int longest, truncated, vocab;
        const char *fault;
    } c[] = {{good, ids, 2, 0, 5, NULL},     {back, ids, 2, 0, 5, "offsets"},   {late, ids, 2, 0, 5, "offsets"},
             {good, high, 2, 0, 5, "range"}, {good, low, 2, 0, 5, "range"},     {good, ids, 3, 0, 5, "range"},
             {good, ids, 2, 3, 5, "range"},  {good, ids, 2, 0, 6, "belongs to"}};
    char key[65], other[65];
    memset(key, 'a', 64), memset(other, 'b', 64);
    key[64] = other[64] = 0;
    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
        struct token_parts p = {2,          c[i].offset, c[i].ids, types, NULL, c[i].longest, c[i].truncated,
                                c[i].vocab, key,         other};
        const void *image;
        size_t size;
        struct tokens t = {0};
        ck_ok(token_image(&p, arena, &image, &size));
        const char *fault = token_image_open(image, size, key, 5, &t);
        if (c[i].fault)
            ck_assert_msg(fault && strstr(fault, c[i].fault), "case %zu: %s", i, fault ? fault : "accepted");
        else
            ck_assert_ptr_null(fault);
        ck_assert_ptr_nonnull(token_image_open(image, size, other, c[i].vocab, &t)); /* another key */
    }
    end();
}
END_TEST

START_TEST(unwritable_cache)
{
    begin();
    const char *dir = fresh_folder();
    write_text(dir, "file", "x");
    char below[5000];
    snprintf(below, sizeof below, "%s/file/cache", dir);
    struct tokens t;
    ck_ok(get(below, false, &t));
    check_pairs(&t);
    char taken[6000]; /* a folder where the file should be */
    snprintf(taken, sizeof taken, "%s/%s.tokens", dir, t.key);
    tokens_close(&t);
    ck_ok(file_make_dirs(taken));
    ck_ok(get(dir, false, &t));
    check_pairs(&t);
    tokens_close(&t);
    end();
}
END_TEST

START_TEST(errors)
{
    begin();
    struct tokens t;
    ck_fails(tokens_load(&task, &set, "broken", 0, tokenizer, 8, NULL, false, arena, &t), ST_INPUT,
             "dev.tsv:7: column 2");
    ck_assert_int_eq(t.n, 0);
    tokens_close(&t);
    ck_fails(tokens_load(&task, &set, NULL, 0, tokenizer, 2, NULL, false, arena, &t), ST_USAGE,
             "task made-up, set train, row 1");
    end();
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    begin();
    int failed = 0;
    for (long n = 1;; n++) {
        const char *dir = fresh_folder();
        struct tokens t;
        arena_fail_after(n);
        status st = get(dir, true, &t);
        arena_fail_after(0);
        tokens_close(&t);
        if (st == ST_OK && n > 30) break;
        ck_assert(st == ST_OK || st == ST_MEMORY);
        failed += st == ST_MEMORY;
    }
    ck_assert_int_gt(failed, 2);
    end();
}
END_TEST

/* Several processes make, damage and read one cache file at once: each gets the right tokens. */
START_TEST(processes_at_once)
{
    begin();
    enum { PROCESSES = 6, ROUNDS = 40 };
    const char *dir = fresh_folder();
    pid_t child[PROCESSES];
    for (int p = 0; p < PROCESSES; p++) {
        fflush(NULL);
        child[p] = fork();
        ck_assert_int_ge(child[p], 0);
        if (child[p] != 0) continue;
        int bad = 0;
        for (int round = 0; round < ROUNDS; round++) {
            struct tokens t;
            if (get(dir, false, &t) != ST_OK || t.n != 4 || t.ids[22] != 9 || t.offset[4] != 24) bad = 1;
            char path[6000];
            snprintf(path, sizeof path, "%s/%s.tokens", dir, t.key);
            tokens_close(&t);
            if (round % 5 == p % 5) unlink(path);
        }
        _exit(bad);
    }
    for (int p = 0; p < PROCESSES; p++) {
        int how;
        ck_assert_int_eq(waitpid(child[p], &how, 0), child[p]);
        ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    }
    struct tokens t;
    ck_ok(get(dir, false, &t));
    check_pairs(&t);
    tokens_close(&t);
    cache_file(dir);
    end();
}
END_TEST

/* Real data through a real tokenizer: the second opening only maps. */
START_TEST(real_task)
{
    NEED_SHARED("data/glue/RTE/dev.tsv");
    NEED_SHARED("tokenizers/bert-base-uncased/vocab.txt");
    begin();
    const struct task *rte = task_find("rte");
    ck_assert_ptr_nonnull(rte);
    struct tokenizer *bert;
    ck_ok(tokenizer_open(shared_path("tokenizers/bert-base-uncased"), arena, &bert));
    const char *dir = fresh_folder();
    char root[5000];
    snprintf(root, sizeof root, "%s", shared_path("data/glue"));
    struct tokens t, u;
    const struct task_set *dev = rte->set;
    while (dev->name && strcmp(dev->name, "dev") != 0) dev++;
    ck_ok(tokens_load(rte, dev, root, 0, bert, 128, dir, true, arena, &t));
    ck_ok(tokens_load(rte, dev, root, 0, bert, 128, dir, false, arena, &u));
    ck_assert_int_eq(t.n, 277);
    ck_assert_int_eq(u.n, 277);
    ck_assert_int_le(t.longest, 128);
    ck_assert_str_eq(t.key, u.key);
    for (int i = 0; i < t.n; i++) {
        ck_assert_int_eq(t.ids[t.offset[i]], 101);
        ck_assert_int_eq(t.ids[t.offset[i + 1] - 1], 102);
    }
    tokens_close(&t);
    tokens_close(&u);
    tokenizer_close(bert);
    end();
}
END_TEST

PG_TESTS(TEST(in_memory_and_cached_are_equal), TEST(single_unlabelled_and_empty_sets), TEST(keys_tell_inputs_apart),
         TEST(damaged_files_are_made_anew), TEST(wrong_content_is_refused), TEST(unwritable_cache), TEST(errors),
         TEST(every_allocation_may_fail), TEST(processes_at_once), TEST(real_task))
