/* `peftgrid fsck` on a folder as runs leave it: records with results, a diverged one, a saved adapter, merged files, a
 * journal. */
#include "tests/pgtest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include "bench/cli.h"
#include "bench/fsck.h"
#include "core/file.h"
#include "core/rng.h"
#include "core/sha256.h"
#include "results/record_pack.h"
#include "tests/captured_command.h"
#include "tests/sample_record.h"
#include "tests/tiny_cell.h"

static char id[3][65]; /* of the records in runs/ */

static char *in_runs(const char *name, const char *ending)
{
    char rest[256];
    snprintf(rest, sizeof rest, "runs/%s%s", name, ending);
    return in_temp(rest);
}

static void note_in_journal(const char *event, const char *run)
{
    char sum[SHA256_HEX], file[80];
    snprintf(file, sizeof file, "%s.h5", run);
    ck_ok(sha256_file(in_runs(file, ""), sum));
    ck_ok(journal_add(in_runs("journal.jsonl", ""), event, run, "tiny", file, sum, NULL));
}

/* Trains a cell into runs/ as the grid does; its record is number i. */
static void train(int i, const char *method, int diverges)
{
    static const char *const wild[][2] = {{"lr", "100"}, {"weight_decay", "100"}, {"clip", "0"}, {"epochs", "40"}};
    struct tiny_cell t;
    struct record r;
    int skipped;
    tiny_cell_make(&t, method, "mini_stsb");
    for (int k = 0; diverges && k < 4; k++) tiny_train(&t, wild[k][0], wild[k][1]);
    tiny_train(&t, "save_adapter", "yes");
    status st = tiny_run(&t, in_temp("runs"), &r, &skipped);
    ck_assert_int_eq(st, diverges ? ST_DIVERGED : ST_OK);
    snprintf(id[i], sizeof id[i], "%s", record_get_string(&r, "run/id", ""));
    if (st == ST_OK)
        note_in_journal("finished", id[i]);
    else
        ck_ok(journal_add(in_runs("journal.jsonl", ""), "diverged", NULL, "tiny", NULL, NULL, status_message()));
    tiny_cell_free(&t);
}

static void make_runs(void)
{
    notice_quiet(1);
    ck_ok(file_make_dirs(in_temp("runs")));
    ck_ok(journal_add(in_runs("journal.jsonl", ""), "started", NULL, "tiny", NULL, NULL, NULL));
    train(0, "lora", 0);
    train(1, "none", 0);
    train(2, "full_ft", 1);
    ck_ok(PEFTGRID("merge", in_temp("whole.h5"), in_temp("runs"), "--full"));
    ck_ok(PEFTGRID("merge", in_temp("slim.h5"), in_temp("runs")));
    ck_assert_int_eq(rename(in_temp("whole.h5"), in_runs("whole.h5", "")), 0);
    ck_assert_int_eq(rename(in_temp("slim.h5"), in_runs("slim.h5", "")), 0);
}

static void count_only(void *ctx, int fault, const char *sentence)
{
    (void)ctx, (void)fault, (void)sentence;
}

START_TEST(all_is_well)
{
    make_runs();
    ck_ok(PEFTGRID("fsck", in_temp("runs")));
    ck_prints("runs: 3 records, 2 merged files of 6 records, 2 saved adapters, 4 lines of the journal: nothing is "
              "damaged\n");
    ck_ok(PEFTGRID("fsck", in_temp(""))); /* the folder above, where other things lie too */
    ck_prints("3 records");
    ck_ok(PEFTGRID("fsck", in_runs(id[0], ".h5"), in_runs("slim.h5", "")));
    ck_prints("1 record: nothing is damaged");
    ck_prints("0 records, 1 merged file of 3 records: nothing is damaged");
}
END_TEST

/* ---- single changed bytes ---- */

enum { MAX_FILES = 16 };
struct target {
    char *path;
    off_t size;
    long flips;
};

static int list_targets(struct arena *a, struct target *t)
{
    char **name;
    int n, kept = 0;
    struct stat about;
    ck_ok(file_list(in_temp("runs"), NULL, a, &name, &n));
    for (int i = 0; i < n; i++) {
        char *path = path_join(a, in_temp("runs"), name[i]);
        ck_assert(kept < MAX_FILES && stat(path, &about) == 0 && about.st_size > 0);
        t[kept++] = (struct target){path, about.st_size, 0};
    }
    return kept;
}

static int faults_with(const struct target *t, off_t at, unsigned char flip)
{
    unsigned char byte, changed;
    struct fsck_counts c = {0};
    int fd = open(t->path, O_RDWR);
    ck_assert(fd >= 0 && pread(fd, &byte, 1, at) == 1);
    changed = byte ^ flip;
    ck_assert(pwrite(fd, &changed, 1, at) == 1);
    ck_ok(fsck_place(in_temp("runs"), count_only, NULL, &c));
    ck_assert(pwrite(fd, &byte, 1, at) == 1);
    close(fd);
    return c.faults;
}

/* Random bytes of random files; PEFTGRID_FLIPS says how many (`make flips`). Half of them fall into the first two
 * kilobytes: the seal and what HDF5 keeps about its objects. */
START_TEST(every_changed_byte_is_found)
{
    struct arena *a = arena_new("test");
    struct target target[MAX_FILES];
    struct rng rng = {.seed = 7};
    const char *asked = getenv("PEFTGRID_FLIPS");
    long flips = asked ? atol(asked) : 200;
    make_runs();
    int n = list_targets(a, target);
    ck_assert_int_eq(n, 8); /* three records, two adapters, two merged files, the journal */
    for (long k = 0; k < flips; k++) {
        uint64_t draw = (uint64_t)k * 4;
        struct target *t = &target[rng_at(&rng, RNG_DATA, 0, 0, 1, draw) % (unsigned)n];
        off_t range = k % 2 && t->size > 2048 ? 2048 : t->size;
        off_t at = rng_at(&rng, RNG_DATA, 0, 0, 1, draw + 1) % range;
        unsigned char flip = (unsigned char)(1 + rng_at(&rng, RNG_DATA, 0, 0, 1, draw + 2) % 255);
        ck_assert_msg(faults_with(t, at, flip) > 0, "%s: byte %lld changed by %02x is not found", t->path,
                      (long long)at, flip);
        t->flips++;
    }
    struct fsck_counts c = {0};
    ck_ok(fsck_place(in_temp("runs"), count_only, NULL, &c));
    ck_assert_int_eq(c.faults, 0);
    for (int i = 0; asked && i < n; i++)
        printf("%6ld of %ld changed bytes in %s (%lld bytes): all found\n", target[i].flips, flips,
               strrchr(target[i].path, '/') + 1, (long long)target[i].size);
    arena_free(a);
}
END_TEST

/* ---- faults and notes ---- */

static void two_samples(void)
{
    struct sample s = {.row = "lora", .seed = 1, .score = {0.1, 0.5, 0.2}, .right = 0x155};
    struct arena *a = arena_new("test");
    struct record r;
    ck_ok(file_make_dirs(in_temp("runs")));
    for (int i = 0; i < 2; i++) {
        s.seed = i + 1;
        snprintf(id[i], sizeof id[i], "%s", i ? "two" : "one");
        sample_record(&s, a, &r);
        ck_ok(record_string(&r, "run/id", id[i]));
        ck_ok(record_write(&r, in_runs(id[i], ".h5")));
        note_in_journal("finished", id[i]);
    }
    arena_free(a);
}

START_TEST(lost_files)
{
    two_samples();
    ck_assert_int_eq(unlink(in_runs("two", ".h5")), 0);
    ck_fails(PEFTGRID("fsck", in_temp("runs")), ST_INPUT, "1 fault found");
    ck_prints("journal.jsonl:2: finished two.h5, which is not there\n");
    ck_prints("runs: 1 record, 2 lines of the journal: 1 fault\n");
}
END_TEST

START_TEST(cut_files)
{
    two_samples();
    ck_assert_int_eq(truncate(in_runs("one", ".h5"), 3000), 0);
    ck_assert_int_eq(truncate(in_runs("two", ".h5"), 0), 0);
    ck_fails(PEFTGRID("fsck", in_temp("runs")), ST_INPUT, "2 faults found");
    ck_prints("one.h5: cut off: holds 2488 bytes after the seal, expected");
    ck_prints("two.h5: not a record");
}
END_TEST

START_TEST(files_under_wrong_names)
{
    two_samples();
    ck_assert_int_eq(rename(in_runs("two", ".h5"), in_runs("copy of one", ".h5")), 0);
    ck_fails(PEFTGRID("fsck", in_temp("runs")), ST_INPUT, "2 faults found");
    ck_prints("copy of one.h5: has another name than its run: expected two.h5");
    ck_prints("finished two.h5, which is not there");
    ck_prints("note: "); /* and the journal does not know the new name */
}
END_TEST

/* A sound record that is not the one the journal tells of. */
START_TEST(exchanged_files)
{
    struct sample s = {.row = "lora", .seed = 1, .score = {0.1, 0.9, 0.2}, .right = 0x155};
    struct arena *a = arena_new("test");
    struct record r;
    two_samples();
    sample_record(&s, a, &r);
    ck_ok(record_string(&r, "run/id", "one"));
    ck_ok(record_write(&r, in_runs("one", ".h5")));
    ck_fails(PEFTGRID("fsck", in_temp("runs")), ST_INPUT, "1 fault found");
    ck_prints("one.h5: is sound, but not the file of which");
    note_in_journal("finished", "one"); /* a run again, by --force */
    ck_ok(PEFTGRID("fsck", in_temp("runs")));
    arena_free(a);
}
END_TEST

/* A merged file in the folder says something else of a run. */
START_TEST(contradicting_records)
{
    struct sample s = {.row = "lora", .seed = 1, .score = {0.1, 0.9, 0.2}, .right = 0x155};
    struct arena *a = arena_new("test");
    struct record r;
    const struct record *list[] = {&r};
    two_samples();
    sample_record(&s, a, &r);
    ck_ok(record_string(&r, "run/id", "one"));
    ck_ok(record_pack_write(list, 1, in_runs("more", ".h5")));
    ck_fails(PEFTGRID("fsck", in_temp("runs")), ST_INPUT, "1 fault found");
    ck_prints("more.h5#one: is a record of the same run as ");
    ck_prints("one.h5 with different content");
    arena_free(a);
}
END_TEST

START_TEST(damaged_journals)
{
    two_samples();
    int fd = open(in_runs("journal", ".jsonl"), O_WRONLY);
    ck_assert(fd >= 0 && pwrite(fd, "#", 1, 30) == 1 && close(fd) == 0);
    ck_fails(PEFTGRID("fsck", in_temp("runs")), ST_INPUT, "1 fault found");
    ck_prints("journal.jsonl:1: damaged: ");
    ck_prints("note: "); /* nothing else tells of the first record now */
}
END_TEST

START_TEST(what_killed_runs_leave)
{
    static const char *const name[] = {"x.h5.00aa.tmp", "one.partial", "three.partial",    "gone.claim",
                                       "one.ckpt.1",    "three.ckpt",  "three.safetensors"};
    two_samples();
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        ck_ok(file_write_atomic(in_runs(name[i], ""), "1 nowhere\n", 10));
    const struct timespec old[2] = {{1000, 0}, {1000, 0}};
    ck_assert_int_eq(utimensat(AT_FDCWD, in_runs("gone.claim", ""), old, 0), 0);
    ck_ok(PEFTGRID("fsck", in_temp("runs")));
    ck_prints("x.h5.00aa.tmp: half written");
    ck_prints("one.partial: of a run that is finished");
    ck_prints("three.partial: an unfinished evaluation");
    ck_prints("gone.claim: the claim of a driver that is gone");
    ck_prints("one.ckpt.1: of a run that is finished");
    ck_prints("three.ckpt: an unfinished run");
    ck_prints("three.safetensors: an adapter without a record");
    ck_prints(": nothing is damaged, 7 notes\n");
}
END_TEST

START_TEST(merging_is_in_the_journal)
{
    two_samples();
    ck_ok(PEFTGRID("merge", in_temp("all"), in_temp("runs")));
    ck_ok(PEFTGRID("fsck", in_temp("all")));
    ck_prints("all: 2 records, 2 lines of the journal: nothing is damaged\n");
    ck_assert_int_eq(unlink(in_temp("all/one.h5")), 0);
    ck_fails(PEFTGRID("fsck", in_temp("all")), ST_INPUT, "1 fault found");
    ck_prints("merged one.h5, which is not there");
}
END_TEST

START_TEST(wrong_places)
{
    ck_ok(file_make_dirs(in_temp("empty")));
    ck_fails(PEFTGRID("fsck", in_temp("empty")), ST_INPUT, "no records to check");
    ck_fails(PEFTGRID("fsck", in_temp("nowhere")), ST_INPUT, "nowhere: there is no such folder or file");
    ck_ok(file_write_atomic(in_temp("x.ini"), "[experiment]\n", 13));
    ck_fails(PEFTGRID("fsck", in_temp("x.ini")), ST_INPUT, "1 fault found");
    ck_prints("x.ini: not a record");
}
END_TEST

PG_TESTS(TEST(all_is_well), TEST(every_changed_byte_is_found), TEST(lost_files), TEST(cut_files),
         TEST(files_under_wrong_names), TEST(exchanged_files), TEST(contradicting_records), TEST(damaged_journals),
         TEST(what_killed_runs_leave), TEST(merging_is_in_the_journal), TEST(wrong_places))
