#include "tests/pgtest.h"

#include <math.h>
#include <sys/wait.h>
#include "core/arena.h"
#include "core/file.h"
#include "results/record.h"

/* Fills every item of the schema, the names of the run's choice included, in table order or backwards. */
static void fill_item(struct record *r, const struct schema_item *s, int k)
{
    char path[RECORD_PATH];
    const char *words[] = {"first", "", "third \xc3\xa9"};
    const int64_t ints[] = {k, -7, INT64_MIN, INT64_MAX, 0, 5};
    const double reals[] = {0.5 + k, -0.0, NAN, INFINITY, 1e-310, 3};
    int rank = schema_rank(s);
    size_t dims[3] = {rank == 1 ? 6 : rank == 2 ? 2 : 1, rank == 2 ? 3 : 2, 3};
    ck_ok(record_path(path, s->path, "dev", "rank=4"));
    switch (s->type) {
    case ITEM_STRING: ck_ok(record_string(r, path, s->help)); break;
    case ITEM_INT: ck_ok(record_int(r, path, k - 10)); break;
    case ITEM_REAL: ck_ok(record_real(r, path, k / 3.0)); break;
    case ITEM_STRINGS: ck_ok(record_strings(r, path, words, 3)); break;
    case ITEM_INTS: ck_ok(record_ints(r, path, ints, rank, dims)); break;
    case ITEM_REALS: ck_ok(record_reals(r, path, reals, rank, dims)); break;
    }
}

static void fill_all(struct record *r, struct arena *a, int backwards)
{
    int n = 0;
    while (schema_table[n].path) n++;
    ck_ok(record_init(r, a));
    for (int i = 0; i < n; i++) {
        int k = backwards ? n - 1 - i : i;
        fill_item(r, &schema_table[k], k);
    }
    ck_ok(record_string(r, "run/status", "ok"));
}

static void same_items(const struct record *a, const struct record *b)
{
    ck_assert_int_eq(a->count, b->count);
    for (int i = 0; i < a->count; i++) {
        const struct record_item *x = &a->item[i], *y = record_get(b, x->path);
        ck_assert_msg(y != NULL, "%s is missing", x->path);
        ck_assert_msg(x->type == y->type && x->rank == y->rank && x->n == y->n, "%s has another shape", x->path);
        for (int d = 0; d < x->rank; d++) ck_assert_uint_eq(x->dim[d], y->dim[d]);
        for (size_t k = 0; k < x->n; k++) {
            switch (x->type) {
            case ITEM_STRING: ck_assert_str_eq(x->v.s, y->v.s); break;
            case ITEM_STRINGS: ck_assert_str_eq(x->v.ss[k], y->v.ss[k]); break;
            case ITEM_INT:
            case ITEM_INTS: ck_assert_int_eq(x->v.i[k], y->v.i[k]); break;
            case ITEM_REAL:
            case ITEM_REALS: ck_assert_mem_eq(&x->v.d[k], &y->v.d[k], sizeof(double)); break;
            }
        }
    }
}

static const char *in_dir(const char *name)
{
    static char dir[3000], path[4200];
    if (!*dir) snprintf(dir, sizeof dir, "%s", temp_dir());
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static unsigned char *slurp(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    unsigned char *p = malloc(1 << 22);
    *n = fread(p, 1, 1 << 22, f);
    fclose(f);
    return p;
}

static void spill(const char *path, const unsigned char *p, size_t n)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(p, 1, n, f), n);
    fclose(f);
}

START_TEST(round_trip)
{
    struct arena *a = arena_new("test");
    struct record r, back;
    fill_all(&r, a, 0);
    const char *path = in_dir("all.h5");
    ck_ok(record_write(&r, path));
    ck_ok(record_read(path, a, &back));
    same_items(&r, &back);
    char x[SHA256_HEX], y[SHA256_HEX];
    record_hash(&r, x);
    record_hash(&back, y);
    ck_assert_str_eq(x, y);
    arena_free(a);
}
END_TEST

/* Empty arrays and texts, texts too long for an attribute, arrays of several chunks. */
START_TEST(odd_sizes)
{
    enum { MANY = 300000, LETTERS = 100000 };
    struct arena *a = arena_new("test");
    struct record r, back;
    fill_all(&r, a, 0);
    char *text = malloc(LETTERS + 1);
    double *many = malloc(MANY * sizeof *many);
    memset(text, 'x', LETTERS);
    text[LETTERS] = 0;
    for (int i = 0; i < MANY; i++) many[i] = i * 0.1;
    ck_ok(record_string(&r, "run/canon", text));
    ck_ok(record_string(&r, "run/row", ""));
    ck_ok(record_strings(&r, "trace/sites", NULL, 0));
    ck_ok(record_reals(&r, "train/loss", many, 1, &(size_t){MANY}));
    ck_ok(record_reals(&r, "train/lr", NULL, 1, &(size_t){0}));
    ck_ok(record_reals(&r, "predictions/dev/rank=4/last", many, 2, (size_t[]){150000, 2}));
    ck_ok(record_ints(&r, "trace/rank=4/rank", NULL, 2, (size_t[]){0, 3}));
    const char *path = in_dir("odd.h5");
    ck_ok(record_write(&r, path));
    ck_ok(record_read(path, a, &back));
    same_items(&r, &back);
    free(text);
    free(many);
    arena_free(a);
}
END_TEST

START_TEST(setting_twice_replaces)
{
    struct arena *a = arena_new("test");
    struct record r;
    ck_ok(record_init(&r, a));
    ck_ok(record_int(&r, "run/seed", 1));
    ck_ok(record_int(&r, "run/seed", 2));
    ck_assert_int_eq(r.count, 1);
    ck_assert_double_eq(record_get_real(&r, "run/seed", -1), 2);
    ck_assert_double_eq(record_get_real(&r, "train/steps", -1), -1);
    ck_assert_double_eq(record_get_real(&r, "run/row", -1), -1);
    ck_assert_str_eq(record_get_string(&r, "run/row", "none"), "none");
    ck_assert_str_eq(record_get_string(&r, "run/seed", "none"), "none");
    ck_assert_ptr_null(record_get(&r, "run/zzz"));
    arena_free(a);
}
END_TEST

/* The record keeps copies: changing what was given changes nothing. */
START_TEST(values_are_copied)
{
    struct arena *a = arena_new("test");
    struct record r;
    char word[] = "cola", path[] = "run/task";
    double loss[] = {1, 2};
    ck_ok(record_init(&r, a));
    ck_ok(record_string(&r, path, word));
    ck_ok(record_reals(&r, "train/loss", loss, 1, &(size_t){2}));
    word[0] = path[0] = 'X';
    loss[1] = 9;
    ck_assert_str_eq(record_get_string(&r, "run/task", ""), "cola");
    ck_assert_double_eq(record_get(&r, "train/loss")->v.d[1], 2);
    arena_free(a);
}
END_TEST

START_TEST(the_schema_is_law)
{
    struct arena *a = arena_new("test");
    struct record r;
    const int64_t v[4] = {0};
    ck_ok(record_init(&r, a));
    ck_fails(record_int(&r, "run/sead", 1), ST_INTERNAL, "run/sead");
    ck_fails(record_int(&r, "run", 1), ST_INTERNAL, "not in the schema");
    ck_fails(record_int(&r, "", 1), ST_INTERNAL, "not in the schema");
    ck_fails(record_int(&r, "eval//main/loss", 1), ST_INTERNAL, "not in the schema");
    ck_fails(record_int(&r, "run/seed/deeper", 1), ST_INTERNAL, "not in the schema");
    ck_fails(record_string(&r, "run/seed", "1"), ST_INTERNAL, "run/seed is int64 in the schema, not string");
    ck_fails(record_ints(&r, "trace/steps", v, 2, (size_t[]){2, 2}), ST_INTERNAL,
             "1 dimensions in the schema (times), not 2");
    ck_fails(record_reals(&r, "train/loss", NULL, 1, &(size_t){SIZE_MAX / 4}), ST_INTERNAL, "too large");
    char name[400];
    memset(name, 'x', sizeof name);
    memcpy(name, "config/", 7);
    name[399] = 0;
    ck_fails(record_string(&r, name, "long"), ST_INTERNAL, "not in the schema");
    ck_assert_int_eq(r.count, 0);
    arena_free(a);
}
END_TEST

/* No path may belong to two rows: for every pair, some component differs and neither is a placeholder there. */
START_TEST(rows_are_distinct)
{
    for (const struct schema_item *s = schema_table; s->path; s++) {
        char path[RECORD_PATH];
        ck_assert_ptr_nonnull(strchr(s->path, '/'));
        ck_assert_uint_gt(strlen(s->help), 0);
        ck_assert_int_le(schema_rank(s), 3);
        ck_assert_msg((schema_rank(s) == 0) == (s->type <= ITEM_REAL), "%s: type and dimensions", s->path);
        for (const struct schema_item *t = schema_table; t->path; t++) {
            if (s == t) continue;
            /* s with t's words in the place of its {} must not be t's */
            const char *x = s->path, *y = t->path;
            int differ = 0;
            while (*x && *y && !differ) {
                size_t a = strcspn(x, "/"), b = strcspn(y, "/");
                differ = !(a == 2 && *x == '{') && !(b == 2 && *y == '{') && (a != b || memcmp(x, y, a) != 0);
                x += a + (x[a] == '/');
                y += b + (y[b] == '/');
            }
            /* words beginning a group beside {} ("eval/metric_names", "eval/{}/...") differ in depth */
            ck_assert_msg(differ || *x || *y, "%s and %s overlap", s->path, t->path);
        }
        ck_ok(record_path(path, s->path, "dev", "rank=4"));
        ck_assert_ptr_eq(schema_find(path), s);
    }
}
END_TEST

START_TEST(paths_from_names)
{
    char path[RECORD_PATH], longest[300];
    ck_ok(record_path(path, "eval/{}/{}/loss", "dev", ""));
    ck_assert_str_eq(path, "eval/dev/main/loss");
    ck_ok(record_path(path, "scores/{}/best", "a/b", NULL));
    ck_assert_str_eq(path, "scores/a|b/best");
    ck_ok(record_path(path, "run/id", NULL, NULL));
    ck_assert_str_eq(path, "run/id");
    ck_fails(record_path(path, "eval/{}/{}/loss", "dev", NULL), ST_INTERNAL, "lacks a name");
    memset(longest, 'n', sizeof longest);
    longest[299] = 0;
    ck_fails(record_path(path, "scores/{}/best", longest, NULL), ST_INTERNAL, "too long");
    longest[RECORD_PATH - 1 - strlen("scores//best")] = 0;
    ck_ok(record_path(path, "scores/{}/best", longest, NULL));
    ck_assert_uint_eq(strlen(path), RECORD_PATH - 1);
    longest[RECORD_PATH - 1 - strlen("scores//best")] = 'n';
    longest[RECORD_PATH - strlen("scores//best")] = 0;
    ck_fails(record_path(path, "scores/{}/best", longest, NULL), ST_INTERNAL, "too long");
}
END_TEST

START_TEST(order_of_setting_does_not_matter)
{
    struct arena *a = arena_new("test");
    struct record r, s;
    char x[SHA256_HEX], y[SHA256_HEX];
    fill_all(&r, a, 0);
    fill_all(&s, a, 1);
    record_hash(&r, x);
    record_hash(&s, y);
    ck_assert_str_eq(x, y);
    arena_free(a);
}
END_TEST

/* Every item outside environment/ is covered by the hash, down to a bit; those inside are not. */
START_TEST(the_hash_covers_results)
{
    struct arena *a = arena_new("test");
    struct record r;
    char before[SHA256_HEX], after[SHA256_HEX];
    fill_all(&r, a, 0);
    record_hash(&r, before);
    for (int i = 0; i < r.count; i++) {
        struct record_item *it = &r.item[i], saved = *it;
        union {
            double d;
            int64_t i;
        } v[6] = {{0}};
        const char *words[] = {"first", "third \xc3\xa9", ""};
        if (it->type == ITEM_STRING)
            it->v.s = "other";
        else if (it->type == ITEM_STRINGS)
            it->v.ss = words;
        else {
            memcpy(v, it->v.i, it->n * sizeof *v);
            v[it->n - 1].i ^= 1;
            it->v.i = &v[0].i;
        }
        record_hash(&r, after);
        int covered = strncmp(it->path, "environment/", 12) != 0;
        ck_assert_msg((strcmp(before, after) != 0) == covered, "%s: covered by the hash?", it->path);
        *it = saved;
    }
    arena_free(a);
}
END_TEST

/* The same numbers under another shape are another result. */
START_TEST(the_hash_covers_shapes)
{
    struct arena *a = arena_new("test");
    struct record r;
    char x[SHA256_HEX], y[SHA256_HEX];
    const double v[6] = {0};
    ck_ok(record_init(&r, a));
    ck_ok(record_reals(&r, "predictions/dev/main/last", v, 2, (size_t[]){2, 3}));
    record_hash(&r, x);
    ck_ok(record_reals(&r, "predictions/dev/main/last", v, 2, (size_t[]){3, 2}));
    record_hash(&r, y);
    ck_assert_str_ne(x, y);
    arena_free(a);
}
END_TEST

/* The compiler decides the sign of 0/0: no NaN may differ from another. */
START_TEST(one_nan)
{
    struct arena *a = arena_new("test");
    struct record r, s;
    char x[SHA256_HEX], y[SHA256_HEX];
    ck_ok(record_init(&r, a));
    ck_ok(record_init(&s, a));
    ck_ok(record_real(&r, "scores/main/best", NAN));
    ck_ok(record_real(&s, "scores/main/best", -NAN));
    record_hash(&r, x);
    record_hash(&s, y);
    ck_assert_str_eq(x, y);
    ck_assert_mem_eq(r.item[0].v.d, s.item[0].v.d, sizeof(double));
    arena_free(a);
}
END_TEST

/* The hash's input is fixed in the document: SHA-256 of path "run/seed", "i0", value 5, each length 8 bytes, by
 * sha256sum. */
START_TEST(hash_form_is_fixed)
{
    struct arena *a = arena_new("test");
    struct record r;
    char got[SHA256_HEX], want[SHA256_HEX];
    static const unsigned char input[] = "\x08\0\0\0\0\0\0\0run/seedi0\x05\0\0\0\0\0\0\0";
    ck_ok(record_init(&r, a));
    ck_ok(record_int(&r, "run/seed", 5));
    record_hash(&r, got);
    sha256_of(input, sizeof input - 1, want);
    ck_assert_str_eq(got, want);
    arena_free(a);
}
END_TEST

START_TEST(equal_records_equal_files)
{
    struct arena *a = arena_new("test");
    struct record r, s;
    fill_all(&r, a, 0);
    fill_all(&s, a, 1);
    char one[4200];
    snprintf(one, sizeof one, "%s", in_dir("one.h5"));
    ck_ok(record_write(&r, one));
    sleep(1); /* a time stamp in the file would show */
    ck_ok(record_write(&s, in_dir("two.h5")));
    size_t n, m;
    unsigned char *x = slurp(one, &n), *y = slurp(in_dir("two.h5"), &m);
    ck_assert_uint_eq(n, m);
    ck_assert_mem_eq(x, y, n);
    free(x);
    free(y);
    arena_free(a);
}
END_TEST

START_TEST(every_flipped_byte_is_seen)
{
    struct arena *a = arena_new("test");
    struct record r, back;
    fill_all(&r, a, 0);
    const char *path = in_dir("flip.h5");
    ck_ok(record_write(&r, path));
    size_t n;
    unsigned char *p = slurp(path, &n);
    for (size_t at = 0; at < n; at += at < 600 ? 13 : 211) {
        struct arena_mark m = arena_mark(a);
        p[at] ^= (unsigned char)(1u << at % 8);
        spill(path, p, n);
        ck_fails(record_read(path, a, &back), ST_INPUT, path);
        p[at] ^= (unsigned char)(1u << at % 8);
        arena_reset(a, m);
    }
    spill(path, p, n);
    ck_ok(record_read(path, a, &back));
    free(p);
    arena_free(a);
}
END_TEST

START_TEST(cut_files_are_refused)
{
    struct arena *a = arena_new("test");
    struct record r, back;
    fill_all(&r, a, 0);
    const char *path = in_dir("cut.h5");
    ck_ok(record_write(&r, path));
    size_t n;
    unsigned char *p = slurp(path, &n);
    const size_t lengths[] = {0, 1, 17, 18, 100, 511, 512, 513, 1000, n / 2, n - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        spill(path, p, lengths[i]);
        ck_fails(record_read(path, a, &back), ST_INPUT, path);
    }
    ck_fails(record_read(path, a, &back), ST_INPUT, "cut off");
    free(p);
    arena_free(a);
}
END_TEST

START_TEST(foreign_files_are_refused)
{
    struct arena *a = arena_new("test");
    struct record r;
    const char *path = in_dir("foreign.h5");
    spill(path, (const unsigned char *)"\x89HDF\r\n\x1a\n and more", 17);
    ck_fails(record_read(path, a, &r), ST_INPUT, "not a record");
    ck_fails(record_read(in_dir("absent.h5"), a, &r), ST_INPUT, "absent.h5");
    arena_free(a);
}
END_TEST

START_TEST(required_items)
{
    struct arena *a = arena_new("test");
    struct record r;
    fill_all(&r, a, 0);
    ck_ok(record_check(&r));
    /* Without any one required item the record is refused, by name. */
    for (const struct schema_item *s = schema_table; s->path; s++) {
        char path[RECORD_PATH];
        ck_ok(record_path(path, s->path, "dev", "rank=4"));
        struct record less = r;
        less.item = malloc((size_t)r.count * sizeof *r.item);
        less.count = 0;
        for (int i = 0; i < r.count; i++)
            if (strcmp(r.item[i].path, path) != 0) less.item[less.count++] = r.item[i];
        ck_assert_int_eq(less.count, r.count - 1);
        status st = record_check(&less);
        ck_assert_msg((st == ST_OK) == (s->required == NEED_NOTHING), "%s: %s", s->path, status_message());
        free(less.item);
    }
    /* A second variant must be as complete as the first. */
    ck_ok(record_real(&r, "scores/rank=8/best", 1));
    ck_fails(record_check(&r), ST_INTERNAL, "scores/rank=8/");
    ck_fails(record_write(&r, in_dir("never.h5")), ST_INTERNAL, "scores/rank=8/");
    ck_assert_int_eq(file_exists(in_dir("never.h5")), 0);
    arena_free(a);
}
END_TEST

/* A failed run has no results, but says why. */
START_TEST(failures_are_records)
{
    struct arena *a = arena_new("test");
    struct record r, back;
    ck_ok(record_init(&r, a));
    for (const struct schema_item *s = schema_table; s->path; s++)
        if (s->required == NEED_ALWAYS) fill_item(&r, s, 3);
    ck_ok(record_string(&r, "run/status", "diverged"));
    ck_fails(record_check(&r), ST_INTERNAL, "run/cause");
    ck_ok(record_string(&r, "run/cause", "the loss is NaN at step 17"));
    const char *path = in_dir("failed.h5");
    ck_ok(record_write(&r, path));
    ck_ok(record_read(path, a, &back));
    ck_assert_str_eq(record_get_string(&back, "run/cause", ""), "the loss is NaN at step 17");
    ck_ok(record_string(&r, "run/status", "great"));
    ck_fails(record_check(&r), ST_INTERNAL, "'great'");
    arena_free(a);
}
END_TEST

/* Children that write records of their own, while the parent keeps using the library. */
START_TEST(forked_children)
{
    struct arena *a = arena_new("test");
    struct record r, back;
    char name[32];
    fill_all(&r, a, 0);
    ck_ok(record_write(&r, in_dir("parent.h5")));
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "child%d.h5", i);
        if (fork() == 0) {
            int bad = record_int(&r, "run/seed", i) != ST_OK || record_write(&r, in_dir(name)) != ST_OK;
            _exit(bad);
        }
        ck_ok(record_read(in_dir("parent.h5"), a, &back));
    }
    for (int i = 0, rc; i < 3; i++) ck_assert(wait(&rc) > 0 && rc == 0);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "child%d.h5", i);
        ck_ok(record_read(in_dir(name), a, &back));
        ck_assert_double_eq(record_get_real(&back, "run/seed", -1), i);
    }
    arena_free(a);
}
END_TEST

START_TEST(unwritable_place)
{
    struct arena *a = arena_new("test");
    struct record r;
    fill_all(&r, a, 0);
    ck_fails(record_write(&r, "/nonexistent/run.h5"), ST_IO, "/nonexistent/run.h5");
    arena_free(a);
}
END_TEST

/* Each allocation may fail: the status says so and nothing is written. */
START_TEST(allocation_failures)
{
    struct arena *a = arena_new("test"), *b;
    struct record r, back;
    fill_all(&r, a, 0);
    const char *path = in_dir("memory.h5");
    ck_ok(record_write(&r, path));
    int failures = 0;
    for (long n = 1;; n += n < 60 ? 1 : 17) {
        b = arena_new("reader");
        long before = arena_allocations();
        arena_fail_after(n);
        status st = record_read(path, b, &back);
        arena_fail_after(0);
        long used = arena_allocations() - before;
        arena_free(b);
        if (used < n) break;
        ck_assert_int_eq(st, ST_MEMORY);
        failures++;
    }
    ck_assert_int_gt(failures, 70);
    /* Writing: HDF5's memory comes from us, and its own words for the failure would say something else. */
    for (long n = 1;; n++) {
        long before = arena_allocations();
        arena_fail_after(n);
        status st = record_write(&r, in_dir("unwritten.h5"));
        arena_fail_after(0);
        if (arena_allocations() - before < n) break;
        ck_assert_msg(st == ST_MEMORY && strstr(status_message(), "out of memory"), "n = %ld: %s", n, status_message());
        ck_assert(!file_exists(in_dir("unwritten.h5")));
    }
    arena_free(a);
}
END_TEST

START_TEST(printing)
{
    struct arena *a = arena_new("test");
    struct record r;
    char *text = NULL, hash[SHA256_HEX];
    size_t n = 0;
    double loss[40];
    for (int i = 0; i < 40; i++) loss[i] = i / 8.0;
    fill_all(&r, a, 0);
    ck_ok(record_reals(&r, "train/loss", loss, 1, &(size_t){40}));
    ck_ok(record_string(&r, "run/canon", "train.lr=0.1\nlora.rank=4\n"));
    record_hash(&r, hash);
    FILE *f = open_memstream(&text, &n);
    record_print(f, &r, 0);
    fclose(f);
    ck_assert_ptr_nonnull(strstr(text, hash));
    ck_assert_ptr_nonnull(strstr(text, "\nrun\n"));
    ck_assert_ptr_nonnull(strstr(text, "\neval/dev/rank=4\n"));
    ck_assert_ptr_nonnull(strstr(text, "[40] 0 0.125 0.25 0.375 0.5 0.625 ... 4.75 4.875\n"));
    ck_assert_ptr_nonnull(strstr(text, "undefined"));
    ck_assert_ptr_nonnull(strstr(text, "canon     train.lr=0.1\n            lora.rank=4\n"));
    ck_assert_ptr_null(strstr(text, "1.25"));
    free(text);
    f = open_memstream(&text, &n);
    record_print(f, &r, 1);
    fclose(f);
    ck_assert_ptr_nonnull(strstr(text, " 1.125 1.25 1.375 "));
    free(text);
    arena_free(a);
}
END_TEST

/* Another program, with h5py and numpy only, reads the file and finds the same content hash. */
START_TEST(h5py_reads_it)
{
    if (system("/usr/bin/python3 -c 'import h5py, numpy' >/dev/null 2>&1") != 0) {
        printf("SKIP h5py_reads_it: no python3 with h5py\n");
        fflush(stdout);
        return;
    }
    struct arena *a = arena_new("test");
    struct record r;
    char command[9000], out[4096] = "", hash[SHA256_HEX];
    fill_all(&r, a, 0);
    record_hash(&r, hash);
    const char *path = in_dir("h5py.h5");
    ck_ok(record_write(&r, path));
    snprintf(command, sizeof command, "/usr/bin/python3 tools/read_record.py %s run/status train/loss", path);
    FILE *f = popen(command, "r");
    out[fread(out, 1, sizeof out - 1, f)] = 0;
    ck_assert_msg(pclose(f) == 0, "%s", out);
    ck_assert_msg(strstr(out, hash) && strstr(out, "run/status 'ok'") && strstr(out, "nan"), "%s", out);
    arena_free(a);
}
END_TEST

/* docs/RESULTS_SCHEMA.md is made from the table. */
START_TEST(document_is_current)
{
    char *text = NULL;
    size_t n = 0, m;
    FILE *f = open_memstream(&text, &n);
    schema_document(f);
    fclose(f);
    ck_assert_msg(access("docs/RESULTS_SCHEMA.md", R_OK) == 0, "docs/RESULTS_SCHEMA.md is missing (run from the root)");
    unsigned char *doc = slurp("docs/RESULTS_SCHEMA.md", &m);
    ck_assert_msg(n == m && memcmp(text, doc, n) == 0,
                  "docs/RESULTS_SCHEMA.md is stale: build/release/tools/results-schema > docs/RESULTS_SCHEMA.md");
    free(doc);
    free(text);
}
END_TEST

PG_TESTS(TEST(round_trip), TEST(odd_sizes), TEST(setting_twice_replaces), TEST(values_are_copied),
         TEST(the_schema_is_law), TEST(rows_are_distinct), TEST(paths_from_names),
         TEST(order_of_setting_does_not_matter), TEST(the_hash_covers_results), TEST(the_hash_covers_shapes),
         TEST(one_nan), TEST(hash_form_is_fixed), TEST(equal_records_equal_files), TEST(every_flipped_byte_is_seen),
         TEST(cut_files_are_refused), TEST(foreign_files_are_refused), TEST(required_items), TEST(failures_are_records),
         TEST(forked_children), TEST(unwritable_place), TEST(allocation_failures), TEST(printing), TEST(h5py_reads_it),
         TEST(document_is_current))
