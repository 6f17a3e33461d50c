#include "tests/pgtest.h"

#include <math.h>
#include "bench/table.h"
#include "core/file.h"
#include "tests/sample_record.h"

/* ---- a folder of records
 * --------------------------------------------------------------------------------------------- */

static const char *dir;
static int written;

static void put(const struct sample *s)
{
    char path[4200];
    if (!dir) dir = strdup(temp_dir());
    snprintf(path, sizeof path, "%s/%03d.h5", dir, written++);
    sample_write(s, path);
}

/* lora and bitfit on cola and rte with three seeds; lora is better on cola by 0.02, 0.04, 0.06. */
static void put_small_grid(void)
{
    for (int seed = 1; seed <= 3; seed++) {
        put(&(struct sample){.row = "lora",
                             .task = "cola",
                             .seed = seed,
                             .score = {0.4, 0.5 + 0.02 * seed, 0.45},
                             .adapter = 73728,
                             .head = 1538});
        put(&(struct sample){
            .row = "bitfit", .task = "cola", .seed = seed, .score = {0.4, 0.5, 0.42}, .adapter = 102, .head = 1538});
        put(&(struct sample){
            .row = "lora", .task = "rte", .seed = seed, .score = {0.5, 0.6, 0.55}, .adapter = 73728, .head = 1538});
        put(&(struct sample){
            .row = "bitfit", .task = "rte", .seed = seed, .score = {0.5, 0.7, 0.6}, .adapter = 102, .head = 1538});
    }
}

static const struct table_spec plain = {.rows = "", .cols = "", .baseline = "", .metric = "", .protocol = -1};

static struct arena *arena;

static void read_table(const struct table_spec *spec, struct table *t)
{
    struct run_list list;
    if (!arena) arena = arena_new("test");
    ck_ok(run_list_read(dir, spec->metric, 0, arena, &list));
    ck_ok(table_make(spec, list.run, list.count, arena, t));
}

static int row_named(const struct table *t, const char *name)
{
    for (int r = 0; r < t->rows; r++)
        if (strcmp(table_row_name(&t->row[r], arena), name) == 0) return r;
    ck_abort_msg("no row %s", name);
    return -1;
}

static const struct table_cell *cell(const struct table *t, const char *row, const char *col)
{
    for (int c = 0; c < t->cols; c++)
        if (strcmp(t->col[c].label, col) == 0) return table_cell_at(t, row_named(t, row), c);
    ck_abort_msg("no column %s", col);
    return NULL;
}

static const char *printed(const struct table *t, enum sheet_format format)
{
    static const char *const none[] = {NULL};
    struct sheet *sheet[2];
    int sheets = 1;
    char *text = NULL;
    size_t n;
    if (format == SHEET_CSV)
        ck_ok(table_lines(t, &sheet[0]));
    else
        ck_ok(table_sheets(t, "the title", none, sheet, &sheets));
    FILE *f = open_memstream(&text, &n);
    for (int i = 0; i < sheets; i++) sheet_print(f, sheet[i], format);
    fclose(f);
    const char *kept = arena_strdup(arena, text);
    free(text);
    return kept;
}

#define ck_has(text, part) ck_assert_msg(strstr((text), (part)) != NULL, "lacks '%s':\n%s", (part), (text))
#define ck_lacks(text, part) ck_assert_msg(strstr((text), (part)) == NULL, "has '%s':\n%s", (part), (text))

/* ---- what is computed
 * ------------------------------------------------------------------------------------------------ */

START_TEST(means_and_best)
{
    struct table t;
    put_small_grid();
    read_table(&plain, &t);
    ck_assert_int_eq(t.rows, 2);
    ck_assert_int_eq(t.cols, 2);
    const struct table_cell *c = cell(&t, "lora", "cola");
    ck_assert_int_eq(c->scored, 3);
    ck_assert_double_eq_tol(c->mean, 0.54, 1e-12);
    ck_assert_double_eq_tol(c->sd, 0.02, 1e-12);
    ck_assert(c->best && !cell(&t, "lora", "rte")->best && cell(&t, "bitfit", "rte")->best);
    ck_assert_double_eq_tol(t.row[row_named(&t, "lora")].average, (0.54 + 0.6) / 2, 1e-12);
    ck_assert_double_eq(t.row[row_named(&t, "bitfit")].adapter.high, 102);
    ck_assert_double_eq(t.row[row_named(&t, "bitfit")].head.low, 1538);
    ck_assert_str_eq(t.mixed, "");
}
END_TEST

START_TEST(protocols_and_metrics)
{
    struct table t;
    struct table_spec s = plain;
    put(&(struct sample){.task = "mrpc", .seed = 1, .score = {0.6, 0.8, 0.7}, .metric = {"accuracy", "f1"}});
    put(&(struct sample){.task = "stsb",
                         .seed = 1,
                         .score = {0.6, 0.8, 0.7},
                         .metric = {"pearson", "spearman"},
                         .main_is_mean = 1,
                         .outputs = 1});
    for (s.protocol = -1; s.protocol < PROTOCOLS; s.protocol++) {
        const double want[] = {0.8, 0.8, 0.7, 0.79};
        read_table(&s, &t);
        ck_assert_double_eq_tol(cell(&t, "lora", "mrpc")->mean, want[s.protocol + 1], 1e-12);
    }
    ck_assert_str_eq(t.col[1].metric, "pearson+spearman");
    /* the second metric of a sample lies 0.1 below the first, on the second halves 0.01 more */
    s.metric = "f1";
    for (s.protocol = 0; s.protocol < PROTOCOLS; s.protocol++) {
        const double want[] = {0.7, 0.6, 0.69};
        read_table(&s, &t);
        ck_assert_double_eq_tol(cell(&t, "lora", "mrpc")->mean, want[s.protocol], 1e-12);
        ck_assert_int_eq(cell(&t, "lora", "stsb")->missing, 1);
        ck_assert(isnan(cell(&t, "lora", "stsb")->mean));
    }
    ck_has(printed(&t, SHEET_TEXT), "1 runs have no metric 'f1'");
}
END_TEST

/* mse: lower is better, and it is no percentage. */
START_TEST(errors_are_not_scores)
{
    struct table t;
    put(&(struct sample){.row = "a", .seed = 1, .score = {0, 0.25, 0}, .metric = {"mse"}, .outputs = 1});
    put(&(struct sample){.row = "b", .seed = 1, .score = {0, 0.125, 0}, .metric = {"mse"}, .outputs = 1});
    read_table(&plain, &t);
    ck_assert(cell(&t, "b", "cola")->best && !cell(&t, "a", "cola")->best);
    ck_has(printed(&t, SHEET_TEXT), "*0.1250\n");
    ck_lacks(printed(&t, SHEET_TEXT), "x 100");
    struct table_spec s = plain;
    s.baseline = "a";
    read_table(&s, &t);
    ck_assert_int_eq(cell(&t, "b", "cola")->versus.wins, 1);
    ck_has(printed(&t, SHEET_TEXT), "-0.1250");
    ck_has(printed(&t, SHEET_TEXT), "1-0-0");
}
END_TEST

START_TEST(variants_are_rows)
{
    struct table t;
    for (int seed = 1; seed <= 2; seed++)
        put(&(struct sample){.row = "dylora",
                             .seed = seed,
                             .variant = {"rank=16", "rank=2"},
                             .score = {0, 0.5, 0},
                             .step = 0.1,
                             .adapter = 64,
                             .deployed = 16});
    put(&(struct sample){.row = "dylora", .seed = 3, .status = "diverged", .cause = "the loss is NaN at step 7"});
    read_table(&plain, &t);
    ck_assert_int_eq(t.rows, 2);
    ck_assert_str_eq(table_row_name(&t.row[0], arena), "dylora rank=2");
    ck_assert_double_eq_tol(cell(&t, "dylora rank=16", "cola")->mean, 0.5, 1e-12);
    ck_assert_double_eq_tol(cell(&t, "dylora rank=2", "cola")->mean, 0.6, 1e-12);
    ck_assert_int_eq(cell(&t, "dylora rank=2", "cola")->diverged, 1); /* in every variant's row */
    ck_has(printed(&t, SHEET_TEXT), "deployed");
}
END_TEST

/* Rows run with a list of values fall apart by themselves; an explicit key does not hide what else differs. */
START_TEST(lists_split_rows)
{
    struct table t;
    struct table_spec s = plain;
    const char *option[] = {"method.rank=4\n", "method.rank=16\n"};
    for (int k = 0; k < 2; k++)
        put(&(struct sample){.row = "lora", .options = option[k], .seed = 1, .score = {0, 0.5 + 0.1 * k, 0}});
    put(&(struct sample){.row = "none", .seed = 1, .score = {0, 0.3, 0}});
    read_table(&plain, &t);
    ck_assert_int_eq(t.rows, 3);
    ck_assert_double_eq_tol(cell(&t, "lora rank=16", "cola")->mean, 0.6, 1e-12);
    ck_assert_double_eq_tol(cell(&t, "none", "cola")->mean, 0.3, 1e-12);
    ck_assert_str_eq(t.mixed, "");
    s.rows = "row";
    read_table(&s, &t);
    ck_assert_int_eq(t.rows, 2);
    ck_assert_str_eq(t.mixed, "method.rank");
    ck_assert_double_eq_tol(cell(&t, "lora", "cola")->mean, 0.55, 1e-12);
    ck_has(printed(&t, SHEET_TEXT), "Cells mix runs that differ in: method.rank.");
    s.rows = "rank";
    s.cols = "row";
    read_table(&s, &t);
    ck_assert_double_eq_tol(cell(&t, "4", "lora")->mean, 0.5, 1e-12);
    ck_assert_double_eq_tol(cell(&t, "-", "none")->mean, 0.3, 1e-12);
    ck_assert_int_eq(cell(&t, "-", "lora")->points, 0);
    ck_assert(!t.averaged);
}
END_TEST

START_TEST(unknown_words)
{
    struct table t;
    struct run_list list;
    struct table_spec s = plain;
    put(&(struct sample){.options = "method.rank=4\n", .seed = 1});
    arena = arena_new("test");
    ck_ok(run_list_read(dir, "", 0, arena, &list));
    s.rows = "rnak";
    ck_fails(table_make(&s, list.run, list.count, arena, &t), ST_USAGE, "did you mean 'rank'");
    s = plain;
    s.baseline = "lorra";
    ck_fails(table_make(&s, list.run, list.count, arena, &t), ST_USAGE, "did you mean 'lora'");
    s = plain;
    s.cols = " , ";
    ck_fails(table_make(&s, list.run, list.count, arena, &t), ST_USAGE, "at least one key");
}
END_TEST

START_TEST(comparison_with_a_baseline)
{
    struct table t;
    struct table_spec s = plain;
    put_small_grid();
    put(&(struct sample){
        .row = "lora", .task = "cola", .seed = 9, .score = {0, 0.99, 0}}); /* a seed that bitfit lacks */
    s.baseline = "bitfit";
    read_table(&s, &t);
    const struct table_cell *c = cell(&t, "lora", "cola");
    ck_assert_int_eq(c->versus.pairs, 3);
    ck_assert_double_eq_tol(c->versus.difference, 0.04, 1e-12);
    ck_assert_double_eq(c->versus.p, 0.25);
    /* differences 0.02, 0.04, 0.06: sd 0.02; t of 0.975 with 2 degrees of freedom 4.302652729911275 */
    ck_assert_double_eq_tol(c->versus.low, 0.04 - 4.302652729911275 * 0.02 / sqrt(3), 1e-9);
    ck_assert_double_eq_tol(c->versus.high, 0.04 + 4.302652729911275 * 0.02 / sqrt(3), 1e-9);
    ck_assert_int_eq(c->versus.wins * 100 + c->versus.ties * 10 + c->versus.losses, 300);
    ck_assert_double_eq_tol(cell(&t, "lora", "rte")->versus.difference, -0.1, 1e-12);
    ck_assert_int_eq(cell(&t, "lora", "rte")->versus.losses, 3);
    ck_assert_int_eq(cell(&t, "bitfit", "cola")->versus.pairs, 0);
    /* all six pairs: 0.02, 0.04, 0.06 and three of -0.1, sum -0.18. At least as far from 0 lie: all three of 0.1 with
     * one sign (8 patterns each sign, sums 0.3 + (-0.12 .. 0.12), all >= 0.18), and none of those with two against one
     * (at most 0.1 + 0.12 = 0.22 >= 0.18: signs +++, and 0.1 + 0.08 = 0.18 with the 0.02 turned, each in 3 places and 2
     * signs: 12). 16 + 12 of 64. */
    const struct comparison *all = &t.row[row_named(&t, "lora")].versus;
    ck_assert_int_eq(all->pairs, 6);
    ck_assert_double_eq_tol(all->difference, -0.03, 1e-12);
    ck_assert_double_eq(all->p, 28.0 / 64);
    ck_assert_int_eq(all->wins * 100 + all->ties * 10 + all->losses, 303);
    const char *text = printed(&t, SHEET_TEXT);
    ck_has(text, "Difference from bitfit on the same seeds");
    ck_has(text, "+4.00 \xc2\xb1"
                 "4.97 p=0.250");
    ck_has(text, "-10.00 \xc2\xb1"
                 "0.00 p=0.250");
    ck_has(text, "-3.00 p=0.438");
    ck_has(text, "3-0-3");
    ck_has(text, "With 3 pairs it cannot be below 0.25");
    ck_has(text, "All 6 pairs of all columns together: not below 0.0312");
}
END_TEST

/* One seed: the examples decide. Right on 8 of 10 against 3 of 10, never the other way: p = 2 / 2^5. */
START_TEST(one_pair_is_tested_by_its_examples)
{
    struct table t;
    struct table_spec s = plain;
    put(&(struct sample){.row = "a", .seed = 1, .score = {0, 0.8, 0}, .right = 0xFF});
    put(&(struct sample){.row = "b", .seed = 1, .score = {0, 0.3, 0}, .right = 0x07});
    s.baseline = "b";
    read_table(&s, &t);
    ck_assert_int_eq(cell(&t, "a", "cola")->versus.mcnemar, 1);
    ck_assert_double_eq_tol(cell(&t, "a", "cola")->versus.p, 2.0 / 32, 1e-12);
    ck_has(printed(&t, SHEET_TEXT), "p=0.062 (M)");
}
END_TEST

START_TEST(degenerate_diverged_undefined)
{
    struct table t;
    for (int seed = 1; seed <= 3; seed++) {
        put(&(struct sample){.row = "none", .seed = seed, .score = {0.5, 0.5, 0.5}, .constant = seed < 3});
        put(&(struct sample){.row = "stuck",
                             .seed = seed,
                             .score = {NAN, NAN, NAN},
                             .metric = {"pearson"},
                             .outputs = 1,
                             .constant = 1});
        put(&(struct sample){.row = "half", .seed = seed, .score = {0.5, seed < 2 ? NAN : 0.6, 0.5}});
        if (seed < 3)
            put(&(struct sample){.row = "wild", .seed = seed, .score = {0.5, 0.9, 0.5}});
        else
            put(&(struct sample){
                .row = "wild", .seed = seed, .status = "diverged", .cause = "the loss is NaN at step 12"});
        put(&(struct sample){.row = "lost", .seed = seed, .status = "failed", .cause = "out of memory"});
    }
    read_table(&plain, &t);
    ck_assert_int_eq(cell(&t, "none", "cola")->constant, 2);
    ck_assert_int_eq(cell(&t, "stuck", "cola")->undefined, 3);
    ck_assert_int_eq(cell(&t, "half", "cola")->scored, 2);
    ck_assert_double_eq_tol(cell(&t, "wild", "cola")->mean, 0.9, 1e-12);
    ck_assert_int_eq(cell(&t, "wild", "cola")->diverged, 1);
    ck_assert_int_eq(cell(&t, "lost", "cola")->failed, 3);
    const char *text = printed(&t, SHEET_TEXT);
    ck_has(text, "wild/cola seed 3 diverged: the loss is NaN at step 12");
    ck_has(text, "undef");
    ck_has(text, "! n=2");
    ck_has(text, "? n=2");
    ck_has(text, "=  degenerate: 5 of 6 runs");
    ck_has(text, "failed: out of memory");
    struct table_spec s = plain;
    s.baseline = "half";
    read_table(&s, &t);
    ck_assert_int_eq(cell(&t, "wild", "cola")->versus.pairs, 1); /* seed 2: half lacks 1, wild lacks 3 */
    ck_assert_int_eq(cell(&t, "none", "cola")->versus.pairs, 2);
    text = printed(&t, SHEET_TEXT);
    ck_has(text, "p=0.500 =");
    ck_has(text, "=  a run of the row or of the baseline predicts the same");
}
END_TEST

START_TEST(damaged_files_are_left_out)
{
    struct run_list list;
    struct table t;
    char path[4200];
    put_small_grid();
    snprintf(path, sizeof path, "%s/zzz.h5", dir);
    ck_ok(file_write_atomic(path, "no record", 9));
    snprintf(path, sizeof path, "%s/note.txt", dir);
    ck_ok(file_write_atomic(path, "no record", 9));
    read_table(&plain, &t);
    ck_ok(run_list_read(dir, "", 0, arena, &list));
    ck_assert_int_eq(list.unreadable, 1);
    ck_has(list.first_fault, "zzz.h5: not a record");
    ck_assert_int_eq(cell(&t, "lora", "cola")->scored, 3);
}
END_TEST

/* ---- what is printed
 * --------------------------------------------------------------------------------------------------- */

START_TEST(text_form)
{
    struct table t;
    struct table_spec s = plain;
    put_small_grid();
    s.points = 1;
    read_table(&s, &t);
    const char *text = printed(&t, SHEET_TEXT);
    const char *want = "the title\n\n"
                       "row       trained  trained          cola           rte  average\n"
                       "          adapter     head      accuracy      accuracy\n"
                       "---------------------------------------------------------------\n"
                       "lora       73.73k     1538  *54.00 \xc2\xb1"
                       "2.00   60.00 \xc2\xb1"
                       "0.00    57.00\n"
                       "  seed 1                     52.00         60.00\n"
                       "  seed 2                     54.00         60.00\n"
                       "  seed 3                     56.00         60.00\n"
                       "bitfit        102     1538   50.00 \xc2\xb1"
                       "0.00  *70.00 \xc2\xb1"
                       "0.00   *60.00\n"
                       "  seed 1                     50.00         70.00\n";
    ck_assert_msg(strncmp(text, want, strlen(want)) == 0, "expected\n%s\ngot\n%s", want, text);
    ck_has(text, "Mean \xc2\xb1 standard deviation over 3 seeds.");
    ck_has(text, "Protocol best:");
}
END_TEST

START_TEST(markdown_and_latex_forms)
{
    struct table t;
    put_small_grid();
    put(&(struct sample){.row = "a_b|c", .task = "rte", .seed = 1, .score = {0, 0.1, 0}});
    read_table(&plain, &t);
    const char *md = printed(&t, SHEET_MD);
    ck_has(md, "| row | trained<br>adapter | trained<br>head | cola<br>accuracy | rte<br>accuracy | average |\n");
    ck_has(md, "|---|--:|--:|--:|--:|--:|\n");
    ck_has(md, "| lora | 73.73k | 1538 | **54.00** \xc2\xb1"
               "2.00 | 60.00 \xc2\xb1"
               "0.00 | 57.00 |\n");
    ck_has(md, "| a\\_b\\|c | 0 | 0 | - | 10.00 n=1 | - |\n");
    const char *tex = printed(&t, SHEET_LATEX);
    ck_has(tex, "\\begin{tabular}{lrrrrr}\n\\toprule\n");
    ck_has(tex, "lora & 73.73k & 1538 & \\textbf{54.00} $\\pm$ 2.00 & 60.00 $\\pm$ 0.00 & 57.00 \\\\\n");
    ck_has(tex, "a\\_b|c & ");
    ck_has(tex, "\\bottomrule\n\\end{tabular}\n");
}
END_TEST

START_TEST(csv_form)
{
    struct table t;
    struct table_spec s = plain;
    put_small_grid();
    put(&(struct sample){.row = "say \"x, y\"", .task = "rte", .seed = 1, .score = {0, 0.1, 0}});
    s.baseline = "bitfit";
    read_table(&s, &t);
    const char *csv = printed(&t, SHEET_CSV);
    ck_has(csv, "row,variant,column,metric,runs,scored,mean,sd,");
    ck_has(csv, "\nbitfit,,rte,accuracy,3,3,0.7,0,0.7,0.7,0.7,0,0,0,0,0,1,102,1538,102,bitfit,,,,,,,,,\n");
    ck_has(csv, "\n\"say \"\"x, y\"\"\",,cola,");
    s.points = 1;
    read_table(&s, &t);
    csv = printed(&t, SHEET_CSV);
    ck_has(csv, "\nlora,,cola,accuracy,best,2,0.54,ok,");
    int lines = 0;
    for (const char *p = csv; *p; p++) lines += *p == '\n';
    ck_assert_int_eq(lines, 1 + 13);
}
END_TEST

PG_TESTS(TEST(means_and_best), TEST(protocols_and_metrics), TEST(errors_are_not_scores), TEST(variants_are_rows),
         TEST(lists_split_rows), TEST(unknown_words), TEST(comparison_with_a_baseline),
         TEST(one_pair_is_tested_by_its_examples), TEST(degenerate_diverged_undefined),
         TEST(damaged_files_are_left_out), TEST(text_form), TEST(markdown_and_latex_forms), TEST(csv_form))
