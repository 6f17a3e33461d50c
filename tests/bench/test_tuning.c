/* Choosing values from the records of tuning seeds: means, what is missing, what failed, one choice or one a task. */
#include "tests/pgtest.h"

#include <math.h>
#include <stdlib.h>
#include "bench/tuning.h"

static struct arena *arena;
static struct experiment e;
static struct run_list list;
static struct tuning t;

static void read_text(const char *text)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/x.ini", temp_dir());
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    if (!arena) arena = arena_new("test");
    ck_ok(experiment_read(path, arena, &e));
}

#define GRID(more) \
    "[experiment]\nmodel = mini\ndata = /\ntasks = cola, rte\nseeds = 1\ntune = 8, 9\nmethods = none, lora\n" more \
    "[train]\nlr = 1\n[tune lora]\nrank = 2, 4, 8\n"

/* A record of every tuning cell; score of the value, task and seed. */
static void record_all(double (*score)(const struct cell *))
{
    list = (struct run_list){.run = arena_zalloc(arena, sizeof *list.run * (size_t)(e.tune_cells + 1))};
    for (int i = 0; i < e.tune_cells; i++) {
        const struct cell *c = &e.tune_cell[i];
        struct run *r = &list.run[list.count++];
        *r = (struct run){.canon = c->canon, .model = c->model_label, .date = "", .metric = "accuracy", .seconds = 2};
        r->variants = 1;
        r->variant = arena_zalloc(arena, sizeof *r->variant);
        r->variant->name = "";
        r->variant->bops.base.encoder = 0.1 * atoi(c->tuned + 5);
        for (int p = 0; p < PROTOCOLS; p++) r->variant->score[p] = score(c);
    }
}

static double by_task(const struct cell *c)
{
    int rank = atoi(c->tuned + 5);
    bool cola = strcmp(c->task->name, "cola") == 0;
    return (cola ? 0.4 - rank * 0.01 : 0.2 + rank * 0.02) + 0.001 * (double)c->seed;
}

START_TEST(each_task_chooses)
{
    read_text(GRID(""));
    record_all(by_task);
    ck_ok(tuning_choose(&e, &list, arena, &t));
    ck_assert_int_eq(t.choices, 2);
    ck_assert_int_eq(t.undecided, 0);
    ck_assert_str_eq(t.choice[0].tuned, "rank=2");
    ck_assert_str_eq(t.choice[1].tuned, "rank=8");
    ck_assert_int_eq(t.choice[0].runs, 6);
    ck_assert_double_eq(t.choice[0].seconds, 12);
    ck_assert_int_eq(e.cells, 4);
    for (int i = 0; i < e.cells; i++)
        if (e.cell[i].tuned) {
            ck_assert_str_eq(e.cell[i].tuned, strcmp(e.cell[i].task->name, "cola") == 0 ? "rank=2" : "rank=8");
            ck_assert_ptr_nonnull(strstr(e.cell[i].tuning, "3 values in 6 runs"));
        }
}
END_TEST

START_TEST(one_choice_for_all_tasks)
{
    read_text(GRID("tune_tasks = cola, rte\n"));
    record_all(by_task);
    ck_ok(tuning_choose(&e, &list, arena, &t));
    ck_assert_int_eq(t.choices, 1);
    ck_assert_str_eq(t.choice[0].tuned, "rank=8"); /* rises by 0.02 where it falls by 0.01 */
    ck_assert_int_eq(e.cells, 4);
}
END_TEST

/* On rte the scores are 0.2485, 0.2885 and 0.3685: the fewest operations within 0.1 of the best are those of rank 4. */
START_TEST(nearly_as_good_with_fewer_operations)
{
    read_text(GRID("tune_margin = 0.1\n"));
    record_all(by_task);
    ck_ok(tuning_choose(&e, &list, arena, &t));
    ck_assert_str_eq(t.choice[0].tuned, "rank=2");
    ck_assert_str_eq(t.choice[1].tuned, "rank=4");
    ck_assert_ptr_nonnull(strstr(t.choice[1].text, "rank=4 0.2885 at 40.0 % (chosen)"));
}
END_TEST

static double one_lacks(const struct cell *c)
{
    return strcmp(c->tuned, "rank=8") == 0 && c->seed == 9 ? NAN : by_task(c);
}

/* A value without a score on one seed is no choice: the mean of the others would flatter it. */
START_TEST(values_that_fail_are_not_chosen)
{
    read_text(GRID(""));
    record_all(one_lacks);
    ck_ok(tuning_choose(&e, &list, arena, &t));
    ck_assert_str_eq(t.choice[1].tuned, "rank=4");
    ck_assert_ptr_nonnull(strstr(t.choice[1].text, "rank=8 no score"));
}
END_TEST

START_TEST(nothing_is_chosen_before_all_have_run)
{
    read_text(GRID(""));
    record_all(by_task);
    list.count--; /* the last: rte */
    ck_ok(tuning_choose(&e, &list, arena, &t));
    ck_assert_int_eq(t.undecided, 1);
    ck_assert_str_eq(t.choice[0].tuned, "rank=2");
    ck_assert_ptr_null(t.choice[1].tuned);
    ck_assert_int_eq(t.choice[1].missing, 1);
    ck_assert_int_eq(e.cells, 3); /* without lora on rte */
}
END_TEST

PG_TESTS(TEST(each_task_chooses), TEST(one_choice_for_all_tasks), TEST(nearly_as_good_with_fewer_operations),
         TEST(values_that_fail_are_not_chosen), TEST(nothing_is_chosen_before_all_have_run))
