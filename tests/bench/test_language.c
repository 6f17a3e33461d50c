/* Language models through the trainer: training, perplexity, MMLU with and without shared beginnings, written texts,
 * evaluations that were killed. */
#include "tests/pgtest.h"

#include <math.h>
#include <sys/wait.h>
#include "bench/deploy.h"
#include "bench/estimate.h"
#include "bench/experiment.h"
#include "bench/paths.h"
#include "bench/scoring.h"
#include "bench/subjects.h"
#include "bench/trainer.h"
#include "core/file.h"
#include "datasets/lm.h"
#include "datasets/unicode.h"
#include "models/language.h"
#include "tests/tiny_lm.h"
#include "tests/tokens_golden.h"

static struct arena *arena;
static struct record record;
static char runs[4400], folder[4300];
static const char *record_file;

static void begin(void)
{
    arena = arena_new("test");
    notice_quiet(1);
    snprintf(folder, sizeof folder, "%s", fresh_folder());
    snprintf(runs, sizeof runs, "%s/runs", folder);
}

/* The experiment whose sections beside [experiment] are these. */
static struct experiment experiment(const char *tasks, const char *methods, const char *sections)
{
    struct experiment e;
    char path[4400];
    char *text = arena_printf(arena, "[experiment]\nmodel = %s\ndata = %s\ntasks = %s\nmethods = %s\nseeds = 1\n%s\n",
                              tiny_lm_model(), tiny_mmlu(), tasks, methods, sections);
    write_text(folder, "e.ini", text);
    snprintf(path, sizeof path, "%s/e.ini", folder);
    status st = experiment_read(arena_strdup(arena, path), arena, &e);
    ck_assert_msg(st == ST_OK, "%s", status_message());
    return e;
}

static status run(const struct cell *cell)
{
    int skipped;
    struct run_paths paths = {.runs_dir = runs, .force = 1};
    TRY(cell_run(cell, &paths, NULL, NULL, arena, &skipped, &record_file));
    return record_read(record_file, arena, &record);
}

static const struct record_item *item(const char *path)
{
    const struct record_item *it = record_get(&record, path);
    ck_assert_msg(it != NULL, "no item %s", path);
    return it;
}

static double number(const char *path)
{
    return record_get_real(&record, path, NAN);
}

#define TRAIN "[train]\nlr = 0.02\nsteps = 12\nbatch = 4\nthreads = 1\neval_steps = 6\n"
#define SAYINGS \
    "[task sayings]\nstyle = completion\nformat = csv\ntrain = t.csv\ndev = d.csv\nprompt = {q}\n" \
    "completion = {a}\nmax_len = 40\n"

static void write_sayings(void)
{
    write_text(folder, "t.csv", "q,a\none,two\ntwo,three\nthree,four\nfour,five\nfive,six\nsix,seven and more\n");
    write_text(folder, "d.csv", "q,a\none,two\nsix,seven\none,two too\n");
}

START_TEST(trains)
{
    char hash[2][SHA256_HEX];
    begin();
    write_sayings();
    struct experiment e = experiment("sayings", "lora", SAYINGS TRAIN "[row lora]\nrank = 4\n");
    struct cell cell = e.cell[0];
    ck_ok(run(&cell));
    record_hash(&record, hash[0]);
    const struct record_item *loss = item("train/loss"), *eval = item("eval/dev/main/loss"),
                             *metrics = item("eval/dev/main/metrics");
    ck_assert_uint_eq(loss->n, 12);
    ck_assert_double_lt(loss->v.d[11], loss->v.d[0]);
    ck_assert_uint_eq(eval->n, 2);
    ck_assert_str_eq(item("eval/metric_names")->v.ss[0], "perplexity");
    for (int i = 0; i < 2; i++) ck_assert_double_eq_tol(metrics->v.d[i], exp(eval->v.d[i]), 1e-9);
    ck_assert_double_eq(number("scores/main/best"), fmin(metrics->v.d[0], metrics->v.d[1]));
    /* labels are numbers of target tokens: " two" and the end */
    ck_assert_double_eq(item("labels/dev")->v.d[0], 5);
    double sum = 0, targets = 0;
    for (int i = 0; i < 3; i++) sum += item("predictions/dev/main/last")->v.d[i], targets += item("labels/dev")->v.d[i];
    ck_assert_double_eq_tol(eval->v.d[1], sum / targets, 1e-12);
    /* evaluation batches and threads change nothing; micro-batches only the rounding */
    cell.train.eval_batch = 1;
    cell.train.threads = 2;
    ck_ok(run(&cell));
    record_hash(&record, hash[1]);
    ck_assert_str_eq(hash[0], hash[1]);
    double first = loss->v.d[0];
    cell.train.micro_batch = 3;
    ck_ok(run(&cell));
    ck_assert_double_eq_tol(item("train/loss")->v.d[0], first, 1e-5);
    ck_assert_double_eq_tol(item("eval/dev/main/loss")->v.d[1], eval->v.d[1], 1e-3);
    ck_assert(!file_exists(arena_printf(arena, "%.*s.partial", (int)strlen(record_file) - 3, record_file)));
    arena_free(arena);
}
END_TEST

/* The loss of a step is the mean over its target tokens, and prompts have none: the first step's loss by hand. */
START_TEST(mean_over_targets)
{
    begin();
    write_sayings();
    struct experiment e = experiment("sayings", "none", SAYINGS "[train]\nlr = 0\nsteps = 1\nbatch = 6\nthreads = 1\n");
    struct cell cell = e.cell[0];
    write_text(folder, "d.csv", "q,a\none,two\ntwo,three\nthree,four\nfour,five\nfive,six\nsix,seven and more\n");
    ck_ok(run(&cell));
    ck_assert_double_eq_tol(item("train/loss")->v.d[0], item("eval/dev/main/loss")->v.d[0], 1e-6);
    arena_free(arena);
}
END_TEST

START_TEST(other_methods_and_stores)
{
    begin();
    write_sayings();
    struct experiment e = experiment("sayings", "qlora, qdylora, blora, ia3, full_ft",
                                     SAYINGS TRAIN "[row qlora]\nrank = 4\n[row qdylora]\nrank = 2\n[row full_ft]\nlr "
                                                   "= 1e-3\n");
    ck_assert_int_eq(e.cells, 5);
    for (int i = 0; i < e.cells; i++) {
        e.cell[i].train.steps = 4;
        status st = run(&e.cell[i]);
        ck_assert_msg(st == ST_OK, "%s: %s", e.cell[i].label, status_message());
        ck_assert(isfinite(item("train/loss")->v.d[3]));
    }
    arena_free(arena);
}
END_TEST

#define MMLU "[task m]\nformat = mmlu\nsubjects = anatomy, virology\n"

struct asked {
    struct session session;
    struct tokenizer *tokenizer;
    struct tokens tokens;
    const struct task *task;
};

static void open_asked(struct asked *a, const char *sections, int max_len)
{
    struct experiment e = experiment("m", "none", sections);
    a->task = e.cell[0].task;
    ck_ok(tokenizer_open(tiny_lm_model(), arena, &a->tokenizer));
    ck_ok(tokens_load(a->task, a->task->set, tiny_mmlu(), 0, a->tokenizer, max_len, NULL, true, arena, &a->tokens));
    ck_ok(cell_session_open(&e.cell[0], 0, &a->session));
}

static void close_asked(struct asked *a)
{
    session_close(&a->session);
    tokens_close(&a->tokens);
    tokenizer_close(a->tokenizer);
}

static float *answers(struct asked *a, int eval_batch, bool apart, struct eval_log *log, double *loss)
{
    float *outputs;
    const struct scoring job = {.session = &a->session,
                                .tokenizer = a->tokenizer,
                                .task = a->task,
                                .tokens = &a->tokens,
                                .set_name = "test",
                                .variant_name = "",
                                .eval_batch = eval_batch,
                                .apart = apart,
                                .log = log};
    ck_ok(score_set(&job, arena, &outputs, loss));
    return outputs;
}

static const struct {
    const char *sections;
    int max_len;
} prompt_forms[] = {{MMLU, 512},
                    {MMLU "shots = 3\n", 512},
                    {MMLU "shots = 3\nscoring = hendrycks\n", 260},
                    {MMLU "shots = 2\nscoring = qlora\n", 150},
                    {MMLU "shots = 3\nscoring = lm-eval\n", 60},
                    {"[task m]\nformat = mmlu\nset = val\nsubjects = anatomy, virology\n", 512}};

/* The same bits with and without reuse, for any batch. */
START_TEST(shared_beginnings)
{
    struct asked a;
    double loss[2];
    begin();
    open_asked(&a, prompt_forms[_i].sections, prompt_forms[_i].max_len);
    float *want = answers(&a, 1, true, NULL, &loss[0]);
    static const int sizes[] = {1, 2, 32};
    for (int k = 0; k < 3; k++) {
        float *got = answers(&a, sizes[k], false, NULL, &loss[1]);
        ck_assert_mem_eq(got, want, sizeof *got * (size_t)a.tokens.n * 4);
        ck_assert_double_eq(loss[0], loss[1]);
    }
    close_asked(&a);
    arena_free(arena);
}
END_TEST

/* The tiny model has 512 positions: longer prompts are cut to that, whatever max_len says. */
START_TEST(no_more_tokens_than_positions)
{
    struct cell_data data;
    begin();
    struct experiment e = experiment("m", "none", MMLU "shots = 3\n[train]\nmax_len = 4096\nthreads = 1\n");
    char *longer = arena_alloc(arena, 3000);
    memset(longer, 'x', 2000);
    strcpy(longer + 2000, ",a,b,c,d,A\nShot 2?,e,f,g,h,B\nShot 3?,1,2,3,4,C\n");
    write_text(tiny_mmlu(), "mmlu/dev/anatomy_dev.csv", longer);
    ck_ok(cell_data_load(&e.cell[0], NULL, arena, &data));
    ck_assert_int_eq(data.dev[0].tokens.longest, 512);
    ck_assert_int_eq(data.dev[0].tokens.truncated, 3);
    cell_data_close(&data);
    ck_ok(run(&e.cell[0]));
    write_text(tiny_mmlu(), "mmlu/dev/anatomy_dev.csv", longer + 1999); /* as short as it was, for the other tests */
    arena_free(arena);
}
END_TEST

/* Scores against the whole forward pass. */
START_TEST(scores_are_log_probabilities)
{
    struct asked a;
    double loss;
    begin();
    open_asked(&a, MMLU, 512);
    float *got = answers(&a, 4, false, NULL, &loss);
    struct tokens one = a.tokens;
    one.label = NULL; /* logits of all tokens */
    double sum = 0;
    for (int i = 0; i < a.tokens.n; i++) {
        struct batch batch;
        struct mat logits;
        struct arena_mark mark = arena_mark(a.session.tape);
        ck_ok(batch_make(&one, &i, 1, 0, 1, BATCH_TOKENS, a.session.tape, &batch));
        struct pass pass = session_pass(&a.session, &batch, 0);
        ck_ok(session_forward(&a.session, &pass, &logits));
        const real *row = mat_row(&logits, logits.rows - 1);
        double all = exp((double)row[0]);
        for (int v = 1; v < logits.cols; v++) all += exp((double)row[v]);
        for (int c = 0; c < 4; c++) {
            double want = (double)row[TINY_LM_BYTES + c] - log(all);
            ck_assert_double_eq_tol((double)got[4 * i + c], want, 1e-4);
            if (c == (int)a.tokens.label[i]) sum -= want;
        }
        arena_reset(a.session.tape, mark);
    }
    ck_assert_double_eq_tol(loss, sum / a.tokens.n, 1e-4);
    close_asked(&a);
    arena_free(arena);
}
END_TEST

/* A log that ends in the middle of a line: what is whole is believed, the rest is measured again. */
START_TEST(killed_evaluation)
{
    struct asked a;
    struct eval_log *log;
    char path[4400], *text;
    size_t size;
    begin();
    snprintf(path, sizeof path, "%s/x.partial", folder);
    open_asked(&a, MMLU, 512);
    ck_ok(eval_log_open(path, arena, &log));
    float *want = answers(&a, 2, false, log, NULL);
    eval_log_close(log);
    ck_ok(file_read(path, 1 << 20, arena, &text, &size));
    int lines = 0;
    size_t fourth = 0;
    for (size_t i = 0; i < size; i++)
        if (text[i] == '\n' && ++lines == 4) fourth = i;
    ck_assert_int_eq(lines, 7);
    ck_ok(file_write_atomic(path, text, fourth - 3));
    ck_ok(eval_log_open(path, arena, &log));
    int words, known = 0;
    for (int i = 0; i < 7; i++) known += eval_log_find(log, 0, "test", "", i, &words) != NULL;
    ck_assert_int_eq(known, 3);
    ck_assert_ptr_null(eval_log_find(log, 1, "test", "", 0, &words));
    ck_assert_ptr_null(eval_log_find(log, 0, "val", "", 0, &words));
    float *got = answers(&a, 2, false, log, NULL);
    ck_assert_mem_eq(got, want, sizeof *got * 28);
    eval_log_close(log);
    /* what an earlier process noted is really taken from there */
    const float other[5] = {1, 2, 3, 4, 5};
    uint32_t word[5];
    memcpy(word, other, sizeof word);
    remove(path);
    ck_ok(eval_log_open(path, arena, &log));
    ck_ok(eval_log_put(log, 0, "test", "", 6, word, 5));
    ck_ok(eval_log_flush(log));
    eval_log_close(log);
    ck_ok(eval_log_open(path, arena, &log));
    got = answers(&a, 2, false, log, NULL);
    ck_assert_mem_eq(got, want, sizeof *got * 24);
    ck_assert_mem_eq(got + 24, other, sizeof *got * 4);
    eval_log_remove(log);
    ck_assert(!file_exists(path));
    eval_log_close(log);
    close_asked(&a);
    arena_free(arena);
}
END_TEST

static void stop_here(void *ctx, const char *phase, long done, long total, double loss)
{
    (void)ctx, (void)loss;
    if (strcmp(phase, "score") == 0 && done >= 4 && done < total) _exit(0);
}

/* A whole cell: killed after four questions, then run to its end; the record is that of an undisturbed run. */
START_TEST(killed_cell)
{
    char hash[2][SHA256_HEX];
    begin();
    struct experiment e = experiment("m", "none", MMLU "[train]\nthreads = 1\neval_batch = 2\n");
    ck_ok(run(&e.cell[0]));
    record_hash(&record, hash[0]);
    ck_assert_int_eq((int)item("train/steps")->v.i[0], 0);
    remove(record_file);
    struct run_paths paths = {.runs_dir = runs};
    int skipped, how;
    pid_t pid = fork();
    if (pid == 0) {
        status st = cell_run(&e.cell[0], &paths, stop_here, NULL, arena, &skipped, &record_file);
        _exit(st == ST_OK ? 1 : 2);
    }
    ck_assert_int_eq(waitpid(pid, &how, 0), pid);
    ck_assert_int_eq(how, 0);
    const char *partial = arena_printf(arena, "%.*s.partial", (int)strlen(record_file) - 3, record_file);
    ck_assert(file_exists(partial) && !file_exists(record_file));
    ck_ok(cell_run(&e.cell[0], &paths, NULL, NULL, arena, &skipped, &record_file));
    ck_ok(record_read(record_file, arena, &record));
    record_hash(&record, hash[1]);
    ck_assert_str_eq(hash[0], hash[1]);
    ck_assert(!file_exists(partial));
    ck_ok(cell_run(&e.cell[0], &paths, NULL, NULL, arena, &skipped, &record_file));
    ck_assert_int_eq(skipped, 1);
    arena_free(arena);
}
END_TEST

START_TEST(subjects_of_a_record)
{
    begin();
    struct experiment e = experiment("m", "none", MMLU "scoring = qlora\nshots = 1\n[train]\nthreads = 1\n");
    ck_ok(run(&e.cell[0]));
    const struct record_item *label = item("labels/test"), *scores = item("predictions/test/main/last"),
                             *subject = item("subjects/test/subject");
    double right[2] = {0}, count[2] = {0};
    int anatomy = mmlu_subject_find("anatomy"), virology = mmlu_subject_find("virology");
    for (size_t i = 0; i < label->n; i++) {
        int best = 0;
        for (int c = 1; c < 4; c++)
            if (scores->v.d[4 * i + (size_t)c] > scores->v.d[4 * i + (size_t)best]) best = c;
        right[subject->v.i[i] == virology] += best == (int)label->v.d[i];
        count[subject->v.i[i] == virology]++;
    }
    ck_assert_double_eq(count[0], 3);
    ck_assert_double_eq(count[1], 4);
    const double *accuracy = item("subjects/test/main/last_accuracy")->v.d,
                 *averages = item("subjects/test/main/last_averages")->v.d;
    ck_assert_double_eq_tol(accuracy[anatomy], right[0] / 3, 1e-15);
    ck_assert_double_eq_tol(accuracy[virology], right[1] / 4, 1e-15);
    ck_assert(isnan(accuracy[0]));
    ck_assert_double_eq_tol(averages[0], (right[0] / 3 + right[1] / 4) / 2, 1e-15);
    ck_assert_double_eq_tol(averages[1], (right[0] + right[1]) / 7, 1e-15);
    ck_assert_double_eq_tol(number("scores/main/last"), averages[0], 1e-12); /* QLoRA's: macro */
    ck_assert_int_eq((int)item("subjects/test/questions")->v.i[virology], 4);
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    ck_ok(subjects_print(f, &record, "test", ""));
    fclose(f);
    ck_assert_ptr_nonnull(strstr(text, "virology"));
    ck_assert_ptr_nonnull(strstr(text, "macro (mean of subjects)"));
    ck_assert_ptr_null(strstr(text, "astronomy"));
    free(text);
    arena_free(arena);
}
END_TEST

/* Two subjects, worked out by hand: 3 of 4 and 1 of 2. */
START_TEST(standard_errors)
{
    int a = mmlu_subject_find("anatomy"), b = mmlu_subject_find("astronomy");
    const float choice[] = {0, 1, 2, 3, 0, 0}, label[] = {0, 1, 2, 0, 0, 1};
    const int subject[] = {a, a, a, a, b, b};
    struct subject_scores s;
    subjects_score(MMLU_HENDRYCKS, choice, label, subject, 6, &s);
    double ea = sqrt(0.75 * 0.25 / 3), eb = sqrt(0.5 * 0.5 / 1);
    ck_assert_double_eq_tol(s.error[a], ea, 1e-15);
    ck_assert_double_eq_tol(s.error[b], eb, 1e-15);
    ck_assert_double_eq_tol(s.macro, 0.625, 1e-15);
    ck_assert_double_eq_tol(s.macro_error, sqrt(ea * ea + eb * eb) / 2, 1e-15);
    ck_assert_double_eq_tol(s.micro, 4.0 / 6, 1e-15);
    ck_assert_double_eq_tol(s.micro_error, sqrt((3 * 4 * ea * ea + 1 * 2 * eb * eb) / (6 - 2) / 6), 1e-15);
    ck_assert_double_eq_tol(s.category[3], 0.75, 1e-15); /* other: anatomy */
    ck_assert_double_eq_tol(s.category[0], 0.5, 1e-15);  /* STEM: astronomy */
    ck_assert(isnan(s.category[1]));
    subjects_score(MMLU_LM_EVAL, choice, label, subject, 6, &s);
    ck_assert_double_eq_tol(s.category[0], 4.0 / 6, 1e-15);
    ck_assert(isnan(s.category[3]));
}
END_TEST

START_TEST(benchmark)
{
    begin();
    write_sayings();
    struct experiment e = experiment("sayings", "lora", SAYINGS "benchmark = m\n" MMLU "shots = 1\n" TRAIN);
    ck_assert_ptr_nonnull(strstr(e.cell[0].canon, "benchmark.shots=1\n"));
    ck_ok(run(&e.cell[0]));
    ck_assert_str_eq(item("eval/metric_names")->v.ss[0], "accuracy");
    ck_assert_str_eq(item("eval/metric_names")->v.ss[2], "perplexity");
    const double *dev = item("eval/dev/main/metrics")->v.d, *m = item("eval/m/main/metrics")->v.d;
    ck_assert(isnan(dev[0]) && isnan(dev[1]) && isfinite(dev[2]));
    ck_assert(isfinite(m[0]) && isfinite(m[1]) && isnan(m[2]));
    ck_assert_double_eq(number("scores/main/last"), m[3]);
    ck_assert_uint_eq(item("predictions/m/main/last")->dim[1], 4);
    ck_assert_uint_eq(item("predictions/dev/main/last")->dim[1], 1);
    /* other questions are another run */
    struct experiment f = experiment("sayings", "lora", SAYINGS "benchmark = m\n" MMLU "shots = 2\n" TRAIN);
    ck_assert_str_ne(e.cell[0].canon, f.cell[0].canon);
    arena_free(arena);
}
END_TEST

static status read_experiment(const char *sections)
{
    struct experiment e;
    char path[4400];
    write_text(folder, "bad.ini",
               arena_printf(arena, "[experiment]\nmodel = x\ndata = y\ntasks = sayings\nmethods = none\nseeds = 1\n%s",
                            sections));
    snprintf(path, sizeof path, "%s/bad.ini", folder);
    return experiment_read(path, arena, &e);
}

START_TEST(bad_benchmarks)
{
    begin();
    ck_fails(read_experiment(SAYINGS "benchmark = rte\n" TRAIN), ST_USAGE,
             "bad.ini:15: the benchmark 'rte' is neither");
    ck_fails(read_experiment(SAYINGS "benchmark = m2\n" MMLU TRAIN), ST_USAGE, "the benchmark 'm2' is neither");
    ck_fails(read_experiment(SAYINGS "benchmark = mmlu\n" MMLU TRAIN), ST_USAGE, "'m' is not in the list `tasks`");
    ck_ok(read_experiment(SAYINGS "benchmark = mmlu_val\n" TRAIN));
    ck_fails(read_experiment(SAYINGS "[train]\nsteps = 3\n"), ST_USAGE, "needs a value for 'lr'");
    arena_free(arena);
}
END_TEST

/* Texts written together are those that each prompt gets alone; BLEU and NIST are recorded. */
START_TEST(texts)
{
    begin();
    write_sayings();
    struct experiment e = experiment("sayings", "lora", SAYINGS "generate = 9\n" TRAIN);
    struct cell cell = e.cell[0];
    ck_ok(run(&cell));
    ck_assert_uint_eq(item("texts/dev/main/written")->n, 2); /* "one" and "six" */
    ck_assert_str_eq(item("texts/dev/main/prompt")->v.ss[1], "six");
    const double *m = item("eval/dev/main/metrics")->v.d;
    ck_assert(isnan(m[1]) && isnan(m[2])); /* the first evaluation writes nothing */
    ck_assert(isfinite(m[4]) && isfinite(m[5]));

    struct session s;
    struct tokenizer *t;
    ck_ok(cell_session_open(&cell, 1, &s)); /* untrained */
    ck_ok(tokenizer_open(tiny_lm_model(), arena, &t));
    struct tokens set;
    ck_ok(tokens_load(cell.task, task_set_find(cell.task, "dev"), "", 0, t, 40, NULL, true, arena, &set));
    const struct scoring job = {.session = &s,
                                .tokenizer = t,
                                .task = cell.task,
                                .tokens = &set,
                                .set_name = "dev",
                                .variant_name = "",
                                .eval_batch = 8};
    struct written w;
    ck_ok(score_texts(&job, arena, &w));
    for (int k = 0; k < w.prompts; k++) {
        struct ids prompt = {0};
        int32_t out[9], stop[] = {TINY_LM_END};
        int n;
        struct batch none = {0};
        struct text text = {0}, valid = {0};
        ck_ok(lm_prompt_ids(cell.task, t, w.prompt[k], 31, &prompt));
        const struct lm_generate g = {.prompt = prompt.id, .n = prompt.n, .most = 9, .stop = stop, .stops = 1};
        struct pass pass = session_pass(&s, &none, 0);
        ck_ok(lm_generate(s.model, &pass, &g, out, &n));
        ck_ok(text_put(&text, ""));
        ck_ok(tokenizer_decode(t, out, n, &text));
        ck_ok(text_put(&valid, ""));
        ck_ok(utf8_repair(text.s, text.n, &valid));
        ck_assert_str_eq(w.text[k], valid.s + strspn(valid.s, " \n"));
        text_free(&text);
        text_free(&valid);
        ids_free(&prompt);
    }
    tokens_close(&set);
    tokenizer_close(t);
    session_close(&s);
    arena_free(arena);
}
END_TEST

/* A saved adapter of a language model, through `evaluate` and as the start of a run that only asks questions. */
START_TEST(saved_adapter)
{
    begin();
    write_sayings();
    const char *sections = SAYINGS "benchmark = m\n" MMLU TRAIN "save_adapter = yes\n";
    struct experiment e = experiment("sayings", "lora", sections);
    ck_ok(run(&e.cell[0]));
    double want = item("eval/dev/main/loss")->v.d[1], got;
    const double *accuracy = item("eval/m/main/metrics")->v.d;
    const char *adapter = arena_printf(arena, "%.*s.safetensors", (int)strlen(record_file) - 3, record_file);
    struct deploy_options o = {.options = "", .eval_batch = 5, .threads = 1};
    struct deployment d;
    struct tokens set;
    float *outputs;
    o.experiment = arena_printf(arena, "%s/e.ini", folder);
    ck_ok(deploy_open(record_file, &o, &d));
    ck_ok(deploy_tokens(&d, task_set_find(d.task, "dev"), &set));
    const struct scoring job = {.session = &d.session,
                                .tokenizer = d.tokenizer,
                                .task = d.task,
                                .tokens = &set,
                                .set_name = "dev",
                                .variant_name = "",
                                .eval_batch = 5};
    ck_ok(score_set(&job, arena, &outputs, &got));
    ck_assert_double_eq(got, want);
    tokens_close(&set);
    deploy_close(&d);
    struct experiment asks = experiment(
        "m", "lora", arena_printf(arena, MMLU "[train]\nthreads = 1\n[row lora]\ninit_from = %s\n", adapter));
    ck_ok(run(&asks.cell[0]));
    ck_assert_double_eq(item("eval/test/main/metrics")->v.d[0], accuracy[3]);
    arena_free(arena);
}
END_TEST

/* What `check` measures, for both kinds. */
START_TEST(estimates)
{
    struct cell_data data;
    struct estimate est;
    begin();
    write_sayings();
    struct experiment e = experiment("sayings, m", "lora", SAYINGS MMLU TRAIN);
    for (int i = 0; i < 2; i++) {
        ck_ok(cell_data_load(&e.cell[i], NULL, arena, &data));
        ck_ok(estimate_cell(&e.cell[i], &data, &est));
        ck_assert(est.seconds > 0 && isfinite(est.seconds) && est.memory > 0);
        ck_assert_int_eq((int)est.steps, i ? 0 : 12);
        cell_data_close(&data);
    }
    arena_free(arena);
}
END_TEST

PG_TESTS(TEST(saved_adapter), TEST(estimates), TEST(trains), TEST(mean_over_targets), TEST(other_methods_and_stores),
         LOOP_TEST(shared_beginnings, 0, sizeof prompt_forms / sizeof prompt_forms[0]),
         TEST(no_more_tokens_than_positions), TEST(scores_are_log_probabilities), TEST(killed_evaluation),
         TEST(killed_cell), TEST(subjects_of_a_record), TEST(standard_errors), TEST(benchmark), TEST(bad_benchmarks),
         TEST(texts))
