/* `peftgrid merge` as a user calls it, and slim records. */
#include "tests/pgtest.h"

#include "bench/cli.h"
#include "bench/record_slim.h"
#include "bench/run_list.h"
#include "core/fault.h"
#include "core/file.h"
#include "core/system.h"
#include "results/record_pack.h"
#include "tests/captured_command.h"
#include "tests/sample_record.h"

static void put(const char *file, const char *id, struct sample s)
{
    struct arena *a = arena_new("test");
    struct record r;
    sample_record(&s, a, &r);
    ck_ok(record_string(&r, "run/id", id));
    ck_ok(record_write(&r, in_temp(file)));
    arena_free(a);
}

static const struct sample plain = {.row = "lora", .seed = 1, .score = {0.1, 0.5, 0.2}, .right = 0x155};

static void two_places(void)
{
    struct sample s = plain;
    ck_ok(file_make_dirs(in_temp("a")));
    ck_ok(file_make_dirs(in_temp("b")));
    put("a/one.h5", "one", s);
    put("b/one.h5", "one", s);
    s.seed = 2;
    put("a/two.h5", "two", s);
    s.seed = 3;
    put("b/three.h5", "three", s);
}

START_TEST(folders_into_a_folder)
{
    struct file_map x, y;
    two_places();
    ck_ok(PEFTGRID("merge", in_temp("all"), in_temp("a"), in_temp("b")));
    ck_prints("3 records from 2 places; 1 met twice, equal\n");
    ck_ok(file_map(in_temp("a/two.h5"), &x));
    ck_ok(file_map(in_temp("all/two.h5"), &y));
    ck_assert(x.size == y.size && memcmp(x.data, y.data, x.size) == 0);
    file_unmap(&x);
    file_unmap(&y);
    /* again: what lies there stays */
    ck_ok(PEFTGRID("merge", in_temp("all"), in_temp("b")));
    ck_prints("3 records from 2 places; 2 met twice");
}
END_TEST

static void put_record_with_adapter(void)
{
    struct arena *a = arena_new("test");
    struct record r;
    ck_ok(file_make_dirs(in_temp("a")));
    sample_record(&plain, a, &r);
    ck_ok(record_string(&r, "run/id", "one"));
    ck_ok(record_string(&r, "environment/adapter_file", "one.safetensors"));
    ck_ok(record_write(&r, in_temp("a/one.h5")));
    ck_ok(file_write_atomic(in_temp("a/one.safetensors"), "weights", 7));
    arena_free(a);
}

START_TEST(adapters_come_along)
{
    put_record_with_adapter();
    ck_ok(PEFTGRID("merge", in_temp("all"), in_temp("a")));
    ck_assert(file_exists(in_temp("all/one.safetensors")));
}
END_TEST

/* A record that lies there is taken to have its adapter: so the adapter is written first, whatever fails. */
START_TEST(no_record_without_its_adapter)
{
    int told = 0;
    put_record_with_adapter();
    for (long n = 1;; n++) {
        char out[64];
        snprintf(out, sizeof out, "all%ld", n);
        sys_fail_after(n, SYS_EIO);
        status st = PEFTGRID("merge", in_temp(out), in_temp("a"));
        int met = *fault_noted() != 0;
        sys_fail_after(0, SYS_EIO);
        told += st != ST_OK;
        snprintf(out, sizeof out, "all%ld/one.h5", n);
        int record = file_exists(in_temp(out));
        snprintf(out, sizeof out, "all%ld/one.safetensors", n);
        ck_assert_msg(!record || file_exists(in_temp(out)), "call %ld: %s", n, status_message());
        if (!met) break;
    }
    ck_assert_int_gt(told, 20);
}
END_TEST

START_TEST(contradictions_are_refused)
{
    struct sample other = plain;
    two_places();
    other.score[1] = 0.6;
    ck_ok(file_make_dirs(in_temp("c")));
    put("c/one.h5", "one", other);
    ck_fails(PEFTGRID("merge", in_temp("all"), in_temp("a"), in_temp("c")), ST_INPUT,
             "records of the same run (id one) with different content");
    ck_assert(strstr(status_message(), "a/one.h5") && strstr(status_message(), "c/one.h5"));
    ck_assert(!file_exists(in_temp("all")));
    ck_fails(PEFTGRID("merge", in_temp("all.h5"), in_temp("a"), in_temp("c")), ST_INPUT, "different content");
    ck_assert(!file_exists(in_temp("all.h5")));
}
END_TEST

/* A failed run gives way to a result, whichever comes first; of two failures the later stays. */
START_TEST(failures_give_way)
{
    struct sample failed = {.row = "lora", .seed = 1, .status = "failed", .cause = "no room"};
    two_places();
    ck_ok(file_make_dirs(in_temp("f")));
    put("f/one.h5", "one", failed);
    ck_ok(PEFTGRID("merge", in_temp("x.h5"), in_temp("f"), in_temp("a")));
    ck_prints("2 records from 2 places; 1 failed run replaced by another try");
    ck_ok(PEFTGRID("merge", in_temp("y.h5"), in_temp("a"), in_temp("f")));
    ck_ok(PEFTGRID("inspect", in_temp("x.h5")));
    ck_assert_ptr_null(strstr(captured, "failed"));
    ck_ok(PEFTGRID("inspect", in_temp("y.h5")));
    ck_assert_ptr_null(strstr(captured, "failed"));
    ck_ok(file_make_dirs(in_temp("g")));
    failed.cause = "a later cause";
    failed.date = "2025-06-01T00:00:00Z";
    put("g/one.h5", "one", failed);
    ck_ok(PEFTGRID("merge", in_temp("z.h5"), in_temp("g"), in_temp("f")));
    ck_ok(PEFTGRID("inspect", in_temp("z.h5"), "--id", "one"));
    ck_prints("a later cause");
}
END_TEST

/* A table says the same of a folder, of its merged file, and of the merged file of merged files. */
START_TEST(tables_do_not_change)
{
    char before[1 << 14];
    two_places();
    struct sample s = plain;
    s.row = "bitfit";
    s.right = 0x3ff;
    put("a/base.h5", "base", s);
    s.row = "flat";
    s.constant = 1;
    put("a/flat.h5", "flat", s);
    ck_ok(PEFTGRID("table", in_temp("a"), "--baseline", "bitfit"));
    snprintf(before, sizeof before, "%s", strchr(captured, '\n'));
    ck_ok(PEFTGRID("merge", in_temp("a.h5"), in_temp("a")));
    ck_ok(PEFTGRID("merge", in_temp("full.h5"), in_temp("a"), "--full"));
    ck_ok(PEFTGRID("merge", in_temp("again.h5"), in_temp("a.h5"), in_temp("full.h5")));
    for (int i = 0; i < 3; i++) {
        const char *const name[] = {"a.h5", "full.h5", "again.h5"};
        ck_ok(PEFTGRID("table", in_temp(name[i]), "--baseline", "bitfit"));
        ck_assert_str_eq(strchr(captured, '\n'), before);
    }
    ck_assert(strstr(before, "(M)") && strstr(before, "degenerate"));
}
END_TEST

START_TEST(slim_records)
{
    struct arena *a = arena_new("test");
    struct record r, slim, again;
    char whole_hash[SHA256_HEX], hash[SHA256_HEX];
    struct sample s = plain;
    s.variant[0] = "rank=1";
    s.variant[1] = "rank=2";
    sample_record(&s, a, &r);
    record_hash(&r, whole_hash);
    ck_ok(record_slim(&r, a, &slim));
    ck_ok(record_check(&slim));
    record_origin_hash(&slim, hash);
    ck_assert_str_eq(hash, whole_hash);
    record_hash(&slim, hash);
    ck_assert_str_ne(hash, whole_hash);
    ck_assert_ptr_null(record_get(&slim, "environment/host"));
    ck_assert_ptr_null(record_get(&slim, "predictions/dev/rank=1/best"));
    ck_assert_ptr_nonnull(record_get(&slim, "eval/dev/rank=1/metrics"));
    const struct record_item *right = record_get(&slim, "slim/rank=2/right_last");
    ck_assert(right && right->n == SAMPLE_EXAMPLES);
    for (int i = 0; i < SAMPLE_EXAMPLES; i++) ck_assert_int_eq(right->v.i[i], plain.right >> i & 1);
    ck_ok(record_slim(&slim, a, &again));
    record_hash(&again, whole_hash);
    ck_assert_str_eq(hash, whole_hash);
    arena_free(a);
}
END_TEST

START_TEST(whole_records_win)
{
    two_places();
    ck_ok(PEFTGRID("merge", in_temp("slim.h5"), in_temp("a")));
    ck_ok(PEFTGRID("merge", in_temp("back"), in_temp("slim.h5"), in_temp("a")));
    ck_ok(PEFTGRID("inspect", in_temp("back/one.h5")));
    ck_assert_ptr_null(strstr(captured, "slim"));
    ck_ok(PEFTGRID("inspect", in_temp("slim.h5"), "--hash"));
    char first[SHA256_HEX];
    snprintf(first, sizeof first, "%.64s", captured);
    ck_ok(PEFTGRID("inspect", in_temp("a/one.h5"), "--hash")); /* ids are sorted: one, two */
    ck_assert(strncmp(first, captured, 64) == 0);
}
END_TEST

START_TEST(bad_words)
{
    two_places();
    ck_fails(PEFTGRID("merge", in_temp("all"), in_temp("nowhere")), ST_INPUT, "nowhere: there is no such");
    ck_fails(PEFTGRID("merge", in_temp("all"), in_temp("a"), "--full"), ST_USAGE, "--full goes with a merged file");
    ck_ok(file_make_dirs(in_temp("empty")));
    ck_fails(PEFTGRID("merge", in_temp("all"), in_temp("empty")), ST_INPUT, "no records to merge");
    ck_ok(file_make_dirs(in_temp("dir.h5")));
    ck_fails(PEFTGRID("merge", in_temp("dir.h5"), in_temp("a")), ST_USAGE, "is a folder");
    ck_ok(file_write_atomic(in_temp("text"), "x", 1));
    ck_fails(PEFTGRID("merge", in_temp("text"), in_temp("a")), ST_USAGE, "does not end in .h5");
    ck_ok(file_write_atomic(in_temp("b/bad.h5"), "x", 1));
    ck_fails(PEFTGRID("merge", in_temp("all"), in_temp("b")), ST_INPUT, "bad.h5: not a record");
    ck_fails(PEFTGRID("inspect", in_temp("a/one.h5"), "--id", "zzz"), ST_INPUT, "no record whose id begins with zzz");
}
END_TEST

PG_TESTS(TEST(folders_into_a_folder), TEST(adapters_come_along), TEST(no_record_without_its_adapter),
         TEST(contradictions_are_refused), TEST(failures_give_way), TEST(tables_do_not_change), TEST(slim_records),
         TEST(whole_records_win), TEST(bad_words))
