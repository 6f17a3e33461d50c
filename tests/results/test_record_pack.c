#include "tests/pgtest.h"

#include <math.h>
#include "core/arena.h"
#include "core/file.h"
#include "results/record_image.h"
#include "results/record_pack.h"
#include "tests/sample_record.h"

static const char *in_dir(const char *name)
{
    static char dir[3000], path[8][4200];
    static int turn;
    if (!*dir) snprintf(dir, sizeof dir, "%s", temp_dir());
    turn = (turn + 1) % 8;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

/* A record whose shapes, words and optional items differ with k. */
static void make(int k, struct arena *a, struct record *r)
{
    const char *sites[] = {"one", "two", "", "one"};
    const double loss[] = {0.5 + k, NAN, -0.0, INFINITY};
    const int64_t rank[] = {1, k, INT64_MIN, INT64_MAX, 0, -1};
    char id[16];
    struct sample s = {.row = k % 2 ? "lora" : "bitfit", .seed = k, .score = {0.1, 0.5 + 0.01 * k, 0.2}};
    if (k % 3 == 0) s.variant[0] = "rank=1", s.variant[1] = "rank=2";
    sample_record(&s, a, r);
    snprintf(id, sizeof id, "id%d", k);
    ck_ok(record_string(r, "run/id", id));
    ck_ok(record_reals(r, "train/loss", loss, 1, &(size_t){(size_t)(k % 5)}));
    ck_ok(record_strings(r, "trace/sites", sites, (size_t)(k % 5)));
    if (k % 2) ck_ok(record_ints(r, "trace/main/rank", rank, 2, (const size_t[]){(size_t)(1 + k % 3), 2}));
    if (k % 2 == 0) ck_ok(record_string(r, "environment/command", "peftgrid run \xc3\xa9"));
}

enum { RECORDS = 7 };
static struct record record[RECORDS];
static const struct record *pointer[RECORDS];
static struct arena *arena;

static void make_all(void)
{
    arena = arena_new("test");
    for (int k = 0; k < RECORDS; k++) {
        make(k, arena, &record[k]);
        pointer[k] = &record[k];
    }
}

static void same_record(const struct record *a, const struct record *b)
{
    char x[SHA256_HEX], y[SHA256_HEX];
    ck_assert_int_eq(a->count, b->count);
    for (int i = 0; i < a->count; i++) ck_assert_str_eq(a->item[i].path, b->item[i].path);
    record_hash(a, x);
    record_hash(b, y);
    ck_assert_str_eq(x, y);
    ck_assert_str_eq(record_get_string(a, "environment/command", "-"),
                     record_get_string(b, "environment/command", "-"));
}

START_TEST(round_trip)
{
    struct record_pack *pack;
    struct record r;
    enum place_kind kind;
    make_all();
    ck_ok(record_pack_write(pointer, RECORDS, in_dir("all.h5")));
    ck_ok(record_pack_open(in_dir("all.h5"), arena, &pack));
    ck_assert_int_eq(record_pack_count(pack), RECORDS);
    for (int k = 0; k < RECORDS; k++) { /* ids are sorted: id0, id1 ... */
        ck_ok(record_pack_read(pack, k, arena, &r));
        ck_assert_str_eq(record_pack_id(pack, k), record_get_string(&record[k], "run/id", ""));
        same_record(&record[k], &r);
    }
    ck_ok(record_place_kind(in_dir("all.h5"), &kind));
    ck_assert_int_eq(kind, PLACE_PACK);
    ck_fails(record_read(in_dir("all.h5"), arena, &r), ST_INPUT, "merged records");
    ck_ok(record_write(&record[0], in_dir("one.h5")));
    ck_ok(record_place_kind(in_dir("one.h5"), &kind));
    ck_assert_int_eq(kind, PLACE_RECORD);
    ck_ok(record_place_kind(in_dir("none.h5"), &kind));
    ck_assert_int_eq(kind, PLACE_NONE);
    ck_fails(record_pack_open(in_dir("one.h5"), arena, &pack), ST_INPUT, "not a record");
    arena_free(arena);
}
END_TEST

START_TEST(order_does_not_matter)
{
    struct file_map x, y;
    make_all();
    ck_ok(record_pack_write(pointer, RECORDS, in_dir("x.h5")));
    for (int k = 0; k < RECORDS; k++) pointer[k] = &record[(k * 3 + 2) % RECORDS];
    ck_ok(record_pack_write(pointer, RECORDS, in_dir("y.h5")));
    ck_ok(file_map(in_dir("x.h5"), &x));
    ck_ok(file_map(in_dir("y.h5"), &y));
    ck_assert_uint_eq(x.size, y.size);
    ck_assert_mem_eq(x.data, y.data, x.size);
    file_unmap(&x);
    file_unmap(&y);
    pointer[1] = pointer[0];
    ck_fails(record_pack_write(pointer, RECORDS, in_dir("z.h5")), ST_INTERNAL, "two records with the id");
    ck_assert(!file_exists(in_dir("z.h5")));
    arena_free(arena);
}
END_TEST

static status open_again(const char *path)
{
    struct arena *a = arena_new("again");
    struct record_pack *pack;
    struct record r;
    status st = a ? record_pack_open(path, a, &pack) : ST_MEMORY;
    for (int k = 0; st == ST_OK && k < record_pack_count(pack); k++) st = record_pack_read(pack, k, a, &r);
    arena_free(a);
    return st;
}

START_TEST(damage_is_seen)
{
    struct file_map m;
    make_all();
    ck_ok(record_pack_write(pointer, 3, in_dir("good.h5")));
    ck_ok(open_again(in_dir("good.h5")));
    ck_ok(file_map(in_dir("good.h5"), &m));
    unsigned char *bytes = malloc(m.size);
    memcpy(bytes, m.data, m.size);
    for (size_t at = 0; at < m.size; at += 1 + m.size / 151) {
        bytes[at] ^= 0x10;
        ck_ok(file_write_atomic(in_dir("bad.h5"), bytes, m.size));
        ck_assert_int_eq(open_again(in_dir("bad.h5")), ST_INPUT);
        bytes[at] ^= 0x10;
    }
    for (size_t n = 0; n < m.size; n += 1 + m.size / 37) {
        ck_ok(file_write_atomic(in_dir("bad.h5"), bytes, n));
        ck_assert_int_eq(open_again(in_dir("bad.h5")), ST_INPUT);
    }
    free(bytes);
    file_unmap(&m);
    arena_free(arena);
}
END_TEST

/* Sealed files, written by someone else, whose index points outside. */
START_TEST(lies_are_seen)
{
    static const struct {
        int column;
        int64_t value;
    } lie[] = {{0, -1},        {0, 99},      {1, -1}, {1, 100000},    {2, -1},
               {2, INT64_MAX}, {3, 1 << 30}, {4, 2},  {5, INT64_MAX}, {5, -1}};
    struct record all;
    make_all();
    ck_ok(record_pack_write(pointer, 3, in_dir("good.h5")));
    for (size_t i = 0; i < sizeof lie / sizeof *lie; i++) {
        ck_ok(record_init(&all, arena));
        ck_ok(record_file_read(in_dir("good.h5"), PACK_FORMAT, &all));
        const struct record_item *index = record_get(&all, "merged/index");
        index->v.i[(index->dim[0] / 2) * index->dim[1] + (size_t)lie[i].column] = lie[i].value;
        ck_ok(record_file_write(&all, PACK_FORMAT, "of 3 records", in_dir("lie.h5")));
        ck_fails(open_again(in_dir("lie.h5")), ST_INPUT, "merged/index");
    }
    ck_ok(record_init(&all, arena));
    ck_ok(record_file_read(in_dir("good.h5"), PACK_FORMAT, &all));
    record_get(&all, "merged/reals")->v.d[0] += 1; /* the sums of the file are right, those of a record are not */
    ck_ok(record_file_write(&all, PACK_FORMAT, "of 3 records", in_dir("lie.h5")));
    ck_fails(open_again(in_dir("lie.h5")), ST_INPUT, "content hash of record");
    arena_free(arena);
}
END_TEST

START_TEST(sources)
{
    struct record_source *source;
    struct record_place place;
    struct record r;
    int n = 0, bad = 0;
    make_all();
    ck_ok(file_make_dirs(in_dir("mixed")));
    ck_ok(record_pack_write(pointer, 3, in_dir("mixed/a.h5")));
    ck_ok(file_write_atomic(in_dir("mixed/b.h5"), "bad", 3));
    ck_ok(record_write(&record[3], in_dir("mixed/c.h5")));
    ck_ok(record_pack_write(pointer, 0, in_dir("mixed/d.h5")));
    ck_ok(record_pack_write(pointer + 4, 2, in_dir("mixed/e.h5")));
    ck_ok(record_source_open(in_dir("mixed"), arena, &source));
    for (;;) {
        status st = record_source_next(source, arena, &r, &place);
        if (st == ST_OK && !place.file) break;
        bad += st == ST_INPUT;
        if (st != ST_OK) continue;
        same_record(&record[n], &r);
        ck_assert_int_eq(strchr(place.name, '#') != NULL, n != 3);
        n++;
    }
    record_source_close(source);
    ck_assert_int_eq(n, 6);
    ck_assert_int_eq(bad, 1);
    ck_fails(record_source_open(in_dir("nowhere"), arena, &source), ST_INPUT, "nowhere: there is no");
    arena_free(arena);
}
END_TEST

/* Each allocation may fail. */
START_TEST(allocation_failures)
{
    int failures = 0;
    make_all();
    ck_ok(record_pack_write(pointer, 2, in_dir("memory.h5")));
    for (long n = 1;; n += n < 40 ? 1 : 23) {
        long before = arena_allocations();
        arena_fail_after(n);
        status st = open_again(in_dir("memory.h5"));
        arena_fail_after(0);
        if (arena_allocations() - before < n) break;
        ck_assert_int_eq(st, ST_MEMORY);
        failures++;
    }
    ck_assert_int_gt(failures, 40);
    arena_free(arena);
}
END_TEST

START_TEST(h5py_reads_it)
{
    char command[9000], out[8192] = "";
    if (system("/usr/bin/python3 -c 'import h5py, numpy' >/dev/null 2>&1") != 0) {
        printf("SKIP h5py_reads_it: no python3 with h5py\n");
        fflush(stdout);
        return;
    }
    make_all();
    ck_ok(record_pack_write(pointer, RECORDS, in_dir("h5py.h5")));
    snprintf(command, sizeof command, "/usr/bin/python3 tools/read_record.py %s run/seed train/loss trace/sites",
             in_dir("h5py.h5"));
    FILE *f = popen(command, "r");
    out[fread(out, 1, sizeof out - 1, f)] = 0;
    ck_assert_msg(pclose(f) == 0, "%s", out);
    ck_assert_msg(strstr(out, "record id6") && strstr(out, "run/seed 6") && strstr(out, "['one', 'two', '']"), "%s",
                  out);
    arena_free(arena);
}
END_TEST

PG_TESTS(TEST(round_trip), TEST(order_does_not_matter), TEST(damage_is_seen), TEST(lies_are_seen), TEST(sources),
         TEST(allocation_failures), TEST(h5py_reads_it))
