/* The experiments that come along: all are read, and those that share records do have cells in common. */
#include "tests/pgtest.h"

#include "bench/experiment.h"
#include "core/file.h"

static struct arena *arena;

static void read_named(const char *name, struct experiment *e)
{
    if (!arena) arena = arena_new("test");
    const char *path = arena_printf(arena, "bench/experiments/%s.ini", name);
    ck_assert_msg(access(path, R_OK) == 0, "%s is missing (run from the root)", path);
    ck_ok(experiment_read(path, arena, e));
}

START_TEST(all_are_read)
{
    char **name;
    int n;
    if (!arena) arena = arena_new("test");
    ck_ok(file_list("bench/experiments", ".ini", arena, &name, &n));
    ck_assert_int_ge(n, 10);
    for (int i = 0; i < n; i++) {
        struct experiment e;
        ck_ok(experiment_read(path_join(arena, "bench/experiments", name[i]), arena, &e));
        ck_assert_int_gt(e.cells, 0);
        ck_assert_msg(*e.description, "%s has no description", name[i]);
    }
}
END_TEST

static int cells_in_common(const struct experiment *a, const char *row, const struct experiment *b)
{
    int n = 0;
    for (int i = 0; i < a->cells; i++)
        for (int k = 0; k < b->cells && (!row || strcmp(a->cell[i].row, row) == 0); k++)
            n += strcmp(a->cell[i].canon, b->cell[k].canon) == 0;
    return n;
}

/* All cells of `part` (or of its row) are cells of `whole`, and both keep records in one folder. */
static void shares(const char *part, const char *row, const char *whole, int count)
{
    struct experiment a, b;
    read_named(part, &a);
    read_named(whole, &b);
    ck_assert_str_eq(a.runs_dir, b.runs_dir);
    ck_assert_int_eq(cells_in_common(&a, row, &b), count);
}

START_TEST(records_are_shared)
{
    struct experiment two;
    shares("table1_minilm", "full_ft", "minilm_glue", 12);
    shares("ablation_blora", "base", "table1_minilm", 6);
    shares("ablation_rank", "lora-8", "table1_minilm", 6);
    read_named("table2", &two);
    shares("table2", NULL, "table1", two.cells);
    shares("figure2", NULL, "table1", 40);
    shares("figure4", NULL, "table1", 5);
    shares("figure5", NULL, "table1", 80);
}
END_TEST

PG_TESTS(TEST(all_are_read), TEST(records_are_shared))
