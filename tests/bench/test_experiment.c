/* Experiment files: what they span, what wins, what is refused. */
#include "tests/pgtest.h"

#include "bench/tuning.h"
#include "core/file.h"
#include "core/sha256.h"
#include "core/text.h"

static struct arena *arena;
static struct experiment e;

/* Writes text to a file and reads it as an experiment. */
static status read_text(const char *text)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/x.ini", temp_dir());
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    if (!arena) arena = arena_new("test");
    return experiment_read(path, arena, &e);
}

#define HEAD "[experiment]\nmodel = mini\ndata = .\ntasks = cola\nseeds = 1\n"

START_TEST(spans_the_grid)
{
    ck_ok(read_text("[experiment]\nmodel = mini\ndata = /\ntasks = cola, rte\nseeds = 1..2, 7\nmethods = none, lora\n"
                    "[train]\nlr = 1e-3\n[row lora]\nrank = 4, 8\n"));
    ck_assert_int_eq(e.cells, 2 * 3 * (1 + 2));
    ck_assert_str_eq(e.name, "x");
    ck_assert_str_eq(e.runs_dir, "runs/x");
    ck_assert_str_eq(e.cell[0].label, "none/cola/1");
    ck_assert_str_eq(e.cell[1].label, "lora/cola/1/rank=4");
    ck_assert_str_eq(e.cell[2].label, "lora/cola/1/rank=8");
    ck_assert_str_eq(e.cell[3].label, "none/rte/1");
    ck_assert_str_eq(e.cell[17].label, "lora/rte/7/rank=8");
    ck_assert_int_eq(e.cell[0].sweeps, 0);
    ck_assert_int_eq(e.cell[1].sweeps, 1);
    ck_assert_str_eq(e.cell[1].sweep_key[0], "rank");
    ck_assert_str_eq(e.cell[1].sweep_value[0], "4");
    ck_assert(e.cell[17].seed == 7);
    ck_assert(strcmp(e.cell[1].canon, e.cell[2].canon) != 0);
}
END_TEST

START_TEST(later_sections_win)
{
    ck_ok(read_text("[experiment]\nmodel = mini\ndata = /\ntasks = cola, rte\nseeds = 1\nmethods = none, lora\n"
                    "[train]\nlr = 1e-3\nbatch = 8\nepochs = 2\nclip = 3\n"
                    "[task rte]\nbatch = 16\nepochs = 4\n[row lora]\nepochs = 5\nlr = 2e-3\n"
                    "[row lora task rte]\nlr = 3e-3\n"));
    ck_assert_int_eq(e.cells, 4);
    const struct train_options *none_rte = &e.cell[2].train, *lora_cola = &e.cell[1].train,
                               *lora_rte = &e.cell[3].train;
    ck_assert_int_eq(none_rte->batch, 16);
    ck_assert_int_eq(none_rte->epochs, 4);
    ck_assert(none_rte->clip == 3);
    ck_assert_int_eq(lora_cola->epochs, 5);
    ck_assert(lora_cola->lr == 2e-3);
    ck_assert_int_eq(lora_rte->epochs, 5);
    ck_assert_int_eq(lora_rte->batch, 16);
    ck_assert(lora_rte->lr == 3e-3);
    ck_ok(
        read_text("[experiment]\nmodel = mini\ndata = /\ntasks = cola\nseeds = 1\nmethods = a, b\n[train]\nlr = 1, 2\n"
                  "[method a]\nmethod = lora\nlr = 3\n[row b / task cola]\nclip = 9\n[row b]\nmethod = none\n"));
    ck_assert_int_eq(e.cells, 3); /* a row's single value ends the sweep of [train] */
    ck_assert_str_eq(e.cell[0].label, "a/cola/1");
    ck_assert_str_eq(e.cell[0].method->name, "lora");
    ck_assert(e.cell[2].train.clip == 9);
}
END_TEST

/* What a row sets wins over all that the row it is like sets, on every task; a base need not be in the table. */
START_TEST(rows_like_others)
{
    ck_ok(
        read_text("[experiment]\nmodel = mini\ndata = /\ntasks = cola, rte\nseeds = 1\nmethods = a, b, c, lora, d\n"
                  "[train]\nlr = 1\nbatch = 4\n[task rte]\nbatch = 5\n"
                  "[row b]\nlike = a\nrank = 6\n[row a]\nlike = base\nclip = 3\n[row base]\nmethod = qlora\nrank = 5\n"
                  "lr = 2\n[row base task rte]\nlr = 3\nrank = 7\n[row c]\nlike = b\nlr = 4, 5\nmethod = dylora\n"
                  "[row d]\nlike = lora\nrank = 9\n"));
    static const char *const canon[][3] = {{"a/cola/1", "\nmethod.rank=5\n", "\ntrain.lr=2\n"},
                                           {"b/cola/1", "\nmethod.rank=6\n", "\ntrain.lr=2\n"},
                                           {"c/cola/1/lr=4", "\nmethod.rank=6\n", "\nmethod=dylora\n"},
                                           {"c/cola/1/lr=5", "\nmethod.rank=6\n", "\ntrain.lr=5\n"},
                                           {"lora/cola/1", "\nmethod.rank=8\n", "\nstore=f32\n"},
                                           {"d/cola/1", "\nmethod.rank=9\n", "\nmethod=lora\n"},
                                           {"a/rte/1", "\nmethod.rank=7\n", "\ntrain.lr=3\n"},
                                           {"b/rte/1", "\nmethod.rank=6\n", "\ntrain.lr=3\n"},
                                           {"c/rte/1/lr=4", "\nmethod.rank=6\n", "\nstore=f32\n"},
                                           {"c/rte/1/lr=5", "\ntrain.batch=5\n", "\ntrain.clip=3\n"},
                                           {"lora/rte/1", "\nmethod.rank=8\n", "\ntrain.lr=1\n"},
                                           {"d/rte/1", "\nmethod.rank=9\n", "\ntrain.lr=1\n"}};
    ck_assert_int_eq(e.cells, 12);
    for (int i = 0; i < e.cells; i++) {
        ck_assert_str_eq(e.cell[i].label, canon[i][0]);
        for (int k = 1; k < 3; k++)
            ck_assert_msg(strstr(e.cell[i].canon, canon[i][k]), "%s: no%sin %s", canon[i][0], canon[i][k],
                          e.cell[i].canon);
    }
    ck_assert_ptr_nonnull(strstr(e.cell[0].canon, "\nstore=nf4\n"));
}
END_TEST

static void put_file(const char *folder, const char *name, const char *text)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    ck_ok(file_write_atomic(path, text, strlen(text)));
}

/* Of a section that both have, keys; of the rest, sections; never the name. What is taken over need not be used. Places
 * in messages, and relative files, are those of the file that says so. */
START_TEST(files_like_others)
{
    const char *root = temp_dir();
    if (!arena) arena = arena_new("test");
    const char *x = arena_printf(arena, "%s/x.ini", root), *sub = arena_printf(arena, "%s/sub", root);
    ck_ok(file_make_dirs(sub));
    put_file(sub, "first.ini",
             "[experiment]\nname = first\ndescription = one\nmodel = mini\ntasks = mine, mini_rte\nseeds = 1, 2\n"
             "methods = lora, none\n[train]\nlr = 1\nbatch = 4\n[row lora]\nrank = 5\nalpha = 6\n"
             "[row none]\nclip = 7\n[row lora task mini_rte]\nrank = 9\n"
             "[task mine]\nformat = tsv\ntrain = a.tsv\ndev = b.tsv\ntext_a = t\nlabel = y\nlabel_names = n, y\n");
    put_file(root, "second.ini",
             "[experiment]\nlike = sub/first\ntasks = mini_rte, mine\nmethods = lora, other\n"
             "[train]\nbatch = 8\n[row lora]\nalpha = 11\n[row other]\nlike = none\n[task mine]\ndev = c.tsv\n");
    put_file(root, "x.ini", "[experiment]\nlike = second.ini\nseeds = 3\n");
    ck_ok(experiment_read(x, arena, &e));
    ck_assert_str_eq(e.name, "x");
    ck_assert_str_eq(e.description, "");
    ck_assert_int_eq(e.cells, 4);
    ck_assert_str_eq(e.cell[0].label, "lora/mini_rte/3");
    ck_assert_str_eq(e.cell[1].label, "other/mini_rte/3");
    ck_assert_ptr_nonnull(strstr(e.cell[0].canon, "\nmethod.rank=9\n"));
    ck_assert_ptr_nonnull(strstr(e.cell[0].canon, "method.alpha=11\n"));
    ck_assert_int_eq(e.cell[0].train.batch, 8);
    ck_assert(e.cell[1].train.clip == 7);
    ck_assert_ptr_nonnull(strstr(e.cell[2].canon, "\nmethod.rank=5\n"));
    ck_assert_ptr_nonnull(strstr(e.cell[2].task->set[0].file, "/sub/a.tsv"));
    ck_assert_ptr_nonnull(strstr(e.cell[2].task->set[1].file, "/c.tsv"));
    ck_assert_ptr_null(strstr(e.cell[2].task->set[1].file, "/sub/"));
    put_file(sub, "first.ini",
             "[experiment]\nmodel = mini\nmethods = lora\nseeds = 1\ntasks = mini_rte\n[train]\nlr = x\n");
    put_file(root, "x.ini",
             "[experiment]\nlike = second\nmethods = lora\ntasks = mini_rte\n[row other]\nlike = lora\n");
    ck_fails(experiment_read(x, arena, &e), ST_USAGE, "/x.ini:5: section [row other]: 'other' is not in the list");
    put_file(root, "x.ini", "[experiment]\nlike = second\ntasks = mini_rte\nmethods = lora\n");
    ck_fails(experiment_read(x, arena, &e), ST_USAGE, "/sub/first.ini:7: option lr is 'x'");
}
END_TEST

START_TEST(id_text_is_canonical)
{
    char id[3][65];
    ck_ok(read_text(HEAD "methods = lora\n[train]\nlr = 1e-3\nthreads = 1\n[row lora]\nrank = 8\n"));
    const char *first = e.cell[0].canon;
    ck_ok(cell_id(&e.cell[0], "m", "t", "d", id[0]));
    ck_assert_ptr_nonnull(strstr(first, "\ntrain.lr=0.001\n"));
    ck_assert_ptr_nonnull(strstr(first, "\nmethod=lora\n"));
    ck_assert_ptr_nonnull(strstr(first, "\nseed=1\n"));
    ck_assert_ptr_null(strstr(first, "threads"));
    /* The same cell said otherwise. */
    ck_ok(read_text(HEAD "methods = other\nname = abc\n[train]\nthreads = 2\nepochs = 3\n"
                         "[row other]\nrank = 8\nlr = 0.0010\nmethod = lora\n"));
    ck_assert_str_eq(first, e.cell[0].canon);
    ck_ok(cell_id(&e.cell[0], "m", "t", "d", id[1]));
    ck_ok(cell_id(&e.cell[0], "m", "t", "D", id[2]));
    ck_assert_str_eq(id[0], id[1]);
    ck_assert_str_ne(id[0], id[2]);
    /* What a default stands for is what counts: the task's length, the whole batch. */
    ck_ok(read_text(HEAD "methods = lora\n[train]\nlr = 1e-3\nmax_len = 64\nmicro_batch = 32\n"));
    ck_assert_str_eq(first, e.cell[0].canon);
    ck_ok(read_text(HEAD "methods = lora\n[train]\nlr = 1e-3\nmicro_batch = 16\n"));
    ck_assert_str_ne(first, e.cell[0].canon);
    /* Sorted lines. */
    char **line;
    int n;
    ck_ok(text_split(first, '\n', arena, &line, &n));
    ck_assert_int_gt(n, 20);
    for (int i = 1; i < n; i++) ck_assert_int_lt(strcmp(line[i - 1], line[i]), 0);
}
END_TEST

/* Two values on two tuning seeds and one of two tasks; four candidates for two reported seeds and two tasks. */
START_TEST(tuned_rows_have_cells_on_both_kinds_of_seeds)
{
    ck_ok(read_text("[experiment]\nmodel = mini\ndata = /\ntasks = cola, rte\nseeds = 1, 2\ntune = 8..9\n"
                    "tune_tasks = rte\nmethods = none, lora\n[train]\nlr = 1e-3\n[row lora]\nrank = 4\n"
                    "[row lora task rte]\nlr = 1\n[tune lora]\nlr = 1e-3, 1e-4\n"));
    ck_assert(!e.tune_apart);
    ck_assert_int_eq(e.tune_cells, 2 * 2);
    ck_assert_str_eq(e.tune_cell[0].label, "lora/rte/8/lr=0.001"); /* wins over [row lora task rte] */
    ck_assert_str_eq(e.tune_cell[3].label, "lora/rte/9/lr=0.0001");
    ck_assert_str_eq(e.tune_cell[3].tuned, "lr=0.0001");
    ck_assert_int_eq(e.cells, 2 * 2 * (1 + 2));
    ck_assert_int_eq(tuning_cells_after(&e), 2 * 2 * 2);
    ck_assert_ptr_null(e.cell[0].tuned);
    ck_assert_str_eq(e.cell[1].tuned, "lr=0.001");
}
END_TEST

START_TEST(line_ends_comments_and_marks)
{
    ck_ok(read_text(
        "\xEF\xBB\xBF# a comment\r\n[experiment] ; another\r\nmodel = mini\r\ndata = /\r\ntasks = cola  # third\r\n"
        "seeds = 1\r\nmethods = none\r\nname = a-b.c\r\n\r\n[ train ]\r\n  lr : 1e-3\r\n"));
    ck_assert_int_eq(e.cells, 1);
    ck_assert_str_eq(e.name, "a-b.c");
    ck_assert_str_eq(e.cell[0].task->name, "cola");
    ck_assert(e.cell[0].train.lr == 1e-3);
}
END_TEST

START_TEST(missing_folders_are_told_apart)
{
    ck_ok(read_text(
        "[experiment]\nmodel = no-such-model\ndata = /\ntasks = cola\nseeds = 1\nmethods = none\n[train]\nlr = 1\n"));
    ck_assert_str_eq(e.cell[0].model_path, "no-such-model");
    ck_fails(experiment_inputs(&e, arena), ST_INPUT, "x.ini:2: no model 'no-such-model'; looked for ");
    ck_ok(read_text(HEAD "methods = none\n[train]\nlr = 1\n"));
    ck_ok(experiment_inputs(&e, arena));
    unsetenv("PG_NO_SUCH_VARIABLE");
    ck_ok(
        read_text("[experiment]\nmodel = mini\ndata = $PG_NO_SUCH_VARIABLE/x\ntasks = cola\nseeds = 1\nmethods = none\n"
                  "[train]\nlr = 1\n"));
    ck_fails(experiment_inputs(&e, arena), ST_USAGE,
             "x.ini:3: the environment variable PG_NO_SUCH_VARIABLE is not set");
    char *folder = arena_strdup(arena, temp_dir());
    setenv("PG_TEST_VARIABLE", folder, 1);
    ck_ok(read_text("[experiment]\nmodel = mini\ndata = ${PG_TEST_VARIABLE}\ntasks = cola\nseeds = 1\nmethods = none\n"
                    "[train]\nlr = 1\n"));
    ck_assert_str_eq(e.cell[0].data_root, folder);
}
END_TEST

START_TEST(users_task)
{
    ck_ok(read_text(
        "[experiment]\nmodel = mini\ntasks = mine\nseeds = 1\nmethods = none\n[train]\nlr = 1\nmax_len = 64\n"
        "[task mine]\nformat = tsv\ntrain = a.tsv\ndev = b.tsv\ntext_a = text\nlabel = y\nlabel_names = no, yes\n"
        "metric = accuracy, f1\nepochs = 7\nmax_len = 99\nsummary = just mine\n"));
    ck_assert_str_eq(e.cell[0].task->name, "mine");
    ck_assert_int_eq(e.cell[0].task->labels, 2);
    ck_assert_int_eq(e.cell[0].train.epochs, 7);
    ck_assert_int_eq(e.cell[0].train.max_len, 99);
    ck_assert_ptr_nonnull(strstr(e.cell[0].canon, "task.label_names=no, yes\n"));
    ck_assert_ptr_null(strstr(e.cell[0].canon, "just mine"));
}
END_TEST

static const struct {
    const char *text, *message;
} refused[] = {
    {"", "the section [experiment] is missing"},
    {"model = mini\n", ":1: 'model' stands before the first [section]"},
    {"[experiment\n", ":1: a section heading needs a closing ]"},
    {"[experiment] model = mini\n", ":1: nothing may follow the ]"},
    {"[experiment]\nmodel\n", ":2: expected [section], name = value or a comment"},
    {"[]\n", ":1: a section heading needs a name"},
    {"[experiment]\n= 4\n", ":2: a name is missing before the ="},
    {HEAD "methods = none\nseeds = 2\n", ":7: 'seeds' is given twice in [experiment] (first on line 5)"},
    {HEAD "methods = none\n[train]\n[train]\n", ":8: section [train] appears twice (first on line 7)"},
    {HEAD "methods = none\n[trian]\n", ":7: unknown section [trian]; did you mean [train]?"},
    {HEAD "methods = none\n[something else]\n", ":7: section [something else] is not one of"},
    {HEAD "methods = none\nmodle = x\n", ":7: unknown option 'modle'; did you mean 'model'?"},
    {"[experiment]\ntasks = cola\nseeds = 1\nmethods = none\n", ":1: [experiment] needs model = MODEL"},
    {"[experiment]\nmodel = mini\ntasks = cola\nseeds = 1\nmethods = none\n",
     ":3: task 'cola' reads files: [experiment] needs data"},
    {HEAD "methods = lroa\n", ":6: unknown method 'lroa'; did you mean 'lora'?"},
    {HEAD "methods = a\n[row a]\nmethod = lroa\n", ":8: unknown method 'lroa'; did you mean 'lora'?"},
    {HEAD "methods = a\n[row a]\nrank = 4\n", ":7: row 'a' is not the name of a method and needs method = NAME"},
    {HEAD "methods = ,\n", ":6: 'methods' is an empty list"},
    {HEAD "methods = none, none\n", ":6: 'methods' lists 'none' twice"},
    {HEAD "methods = none/x\n", ":6: the row name 'none/x' holds a /"},
    {HEAD "methods = none\nname = a b\n", ":7: the experiment's name 'a b' is not a folder name"},
    {"[experiment]\nmodel = mini\ntasks = colla\nseeds = 1\nmethods = none\n",
     ":3: unknown task 'colla'; did you mean 'cola'?"},
    {"[experiment]\nmodel = mini\ntasks = cola\nseeds = -1\nmethods = none\n", ":4: '-1' is not a seed"},
    {"[experiment]\nmodel = mini\ntasks = cola\nseeds = 3..1\nmethods = none\n", ":4: '3..1' is not a seed"},
    {"[experiment]\nmodel = mini\ntasks = cola\nseeds = 1, 1..2\nmethods = none\n", ":4: seed 1 is listed twice"},
    {"[experiment]\nmodel = mini\ntasks = cola\nseeds = 1..99999999\nmethods = none\n", ":4: more than 10000 seeds"},
    {HEAD "methods = none\n", "training needs a value for 'lr'"},
    {HEAD "methods = none\n[train]\nlr = -1e-3\n", ":8: option lr is '-1e-3', expected a number of 0 to 100"},
    {HEAD "methods = none\n[train]\nrank = 3\n", ":8: unknown option 'rank'"},
    {HEAD "methods = none, lora\n[train]\nrank = 3\n",
     ":8: 'rank' is an option of method lora and belongs in [row lora], not in [train]"},
    {HEAD "methods = lora\n[task cola]\nrank = 3\n", "and belongs in [row lora], not in [task cola]"},
    {HEAD "methods = lora\n[train]\nstore = f32\n", ":8: 'store' belongs in a [row R] section, not in [train]"},
    {HEAD "methods = none\n[train]\nlr = 1\nbacth = 3\n", ":9: unknown option 'bacth'; did you mean 'batch'?"},
    {HEAD "methods = none\n[train]\nlr = 1\n[task cola]\nepoch = 3\n",
     ":10: unknown option 'epoch'; did you mean 'epochs'?"},
    {HEAD "methods = lora\n[train]\nlr = 1\n[row lora]\nrnk = 3\n", ":10: unknown option 'rnk'; did you mean 'rank'?"},
    {HEAD "methods = lora\n[train]\nlr = 1\n[row lora]\nrank = 0\n", ":10: option rank is '0', expected an integer"},
    {HEAD "methods = lora\n[train]\nlr = 1\n[row lora]\nrank = ,\n", ":10: 'rank' is an empty list"},
    {HEAD "methods = lora\n[train]\nlr = 1\n[row lora]\nrank = 4, 4\n",
     "a list gives the same value twice (lora/cola/1/rank=4)"},
    {HEAD "methods = lora\n[train]\nlr = 1\n[row lora]\nstore = nf44\n", ":10: unknown store 'nf44'"},
    {HEAD "methods = none\ntune = 2\n[train]\nlr = 1\n", ":7: tune gives seeds, but no section [tune ROW]"},
    {HEAD "methods = none\n[train]\nlr = 1\n[tune none]\nlr = 1, 2\n",
     ":9: section [tune none]: [experiment] needs tune"},
    {HEAD "methods = none\ntune = 1..3\n[tune none]\nlr = 1, 2\n", ":7: seed 1 is among `seeds`"},
    {HEAD "methods = none\ntune = 2\n[tune lora]\nlr = 1, 2\n", ":8: section [tune lora]: 'lora' is not in the list"},
    {HEAD "methods = none\ntune = 2\n[tune none]\n", ":8: section [tune none] names nothing to try"},
    {HEAD "methods = none\ntune = 2\n[tune none]\nmethod = lora\n", ":9: the method of a row cannot be tuned"},
    {HEAD "methods = none\ntune = 2\ntune_tasks = rte\n[tune none]\nlr = 1, 2\n",
     ":8: tune_tasks: 'rte' is not in the list `tasks`"},
    {HEAD "methods = none\n[train]\nlr = 1\n[row lora]\n",
     ":9: section [row lora]: 'lora' is not in the list `methods`"},
    {HEAD "methods = none\n[train]\nlr = 1\n[task rte]\n", ":9: section [task rte]: 'rte' is not in the list `tasks`"},
    {HEAD "methods = none\n[train]\nlr = 1\n[row none task cola]\nmethod = lora\n",
     ":10: the method of a row cannot differ"},
    {"[experiment]\nlike = x\n", "/x.ini:2: files are like files more than 8 deep: is one like itself?"},
    {"[experiment]\nlike = nowhere\n", "/x.ini:2: no experiment file 'nowhere'"},
    {HEAD "methods = lora\n[row lora]\nlike = lora\n", ":8: row 'lora' is like itself"},
    {HEAD "methods = a\n[row a]\nlike = b\n[row b]\nlike = c\n[row c]\nmethod = lora\nlike = b\n",
     ":13: row 'c' is like itself"},
    {HEAD "methods = a\n[row a]\nlike = bse\n[row base]\nmethod = lora\n",
     ":8: unknown row 'bse'; did you mean 'base'?"},
    {HEAD "methods = a\n[row a]\nlike = b\n[row b]\nrank = 4\n", ":9: row 'b' is not the name of a method and needs"},
    {HEAD "methods = lora\n[train]\nlr = 1\n[row lora task cola]\nlike = lora\n", ":10: the method of a row cannot"},
    {HEAD "methods = a\ntune = 2\n[row a]\nlike = b\n[row b]\nmethod = lora\n[tune b]\nlr = 1, 2\n",
     ":12: section [tune b]: 'b' is not in the list `methods`"},
    {HEAD "methods = none\n[task cola]\nformat = tsv\n", ":7: 'cola' is a built-in task"},
};
enum { REFUSED = sizeof refused / sizeof refused[0] };

START_TEST(refuses)
{
    status st = read_text(refused[_i].text);
    ck_assert_msg(st == ST_USAGE, "case %d (%s) gave %s: %s", _i, refused[_i].message, status_name(st),
                  status_message());
    ck_assert_msg(strstr(status_message(), refused[_i].message) != NULL, "case %d: expected '%s', got '%s'", _i,
                  refused[_i].message, status_message());
}
END_TEST

START_TEST(survives_every_failed_allocation)
{
    const char *text = HEAD "methods = none, lora\n[train]\nlr = 1e-3, 1e-4\n[row lora]\nrank = 4\n";
    ck_ok(read_text(text));
    int n = 1;
    for (; n < 100000; n++) {
        long before = arena_allocations();
        arena_fail_after(n);
        status st = read_text(text);
        arena_fail_after(0);
        if (arena_allocations() - before < n) break;
        ck_assert_msg(st == ST_MEMORY || st == ST_OK, "allocation %d: %s: %s", n, status_name(st), status_message());
    }
    ck_assert_int_gt(n, 50);
}
END_TEST

PG_TESTS(TEST(spans_the_grid), TEST(later_sections_win), TEST(rows_like_others), TEST(files_like_others),
         TEST(id_text_is_canonical), TEST(tuned_rows_have_cells_on_both_kinds_of_seeds),
         TEST(line_ends_comments_and_marks), TEST(missing_folders_are_told_apart), TEST(users_task),
         LOOP_TEST(refuses, 0, REFUSED), TEST(survives_every_failed_allocation))
