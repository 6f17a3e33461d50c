/* `peftgrid plot`: what is drawn, from records whose numbers are known. */
#include "tests/pgtest.h"

#include <math.h>
#include "bench/run_list.h"
#include "core/file.h"
#include "tests/captured_command.h"
#include "tests/sample_record.h"

static int have_gnuplot(const char *test)
{
    if (system("command -v gnuplot >/dev/null 2>&1") == 0) return 1;
    printf("SKIP %s: no gnuplot\n", test);
    fflush(stdout);
    return 0;
}

/* A word of the text file NAME in the figures' folder. */
static char *file_text(const char *name)
{
    static struct arena *texts; /* lives as long as the test's process */
    char path[4200], *text;
    size_t n;
    if (!texts) texts = arena_new("texts");
    snprintf(path, sizeof path, "%s/%s", in_temp("fig"), name);
    ck_ok(file_read(path, 1 << 20, texts, &text, &n));
    return text;
}
#define ck_file_has(name, part) \
    ck_assert_msg(strstr(file_text(name), (part)) != NULL, "%s lacks '%s':\n%s", (name), (part), file_text(name))

enum { SITES = 6, TIMES = 2 };

/* Two layers of query and value with ranks and bits, and a head that has bits only. */
static void add_trace(struct record *r, int seed, int quantised)
{
    static const char *const site[SITES] = {
        "encoder.layer.0.attention.self.query", "encoder.layer.0.attention.self.value",
        "encoder.layer.1.attention.self.query", "encoder.layer.1.attention.self.value",
        "encoder.layer.1.output.dense",         "classifier"};
    static const char *const operand[] = {"w", "x", "a", "b", "e", "qa", "qe", "out"};
    int64_t step[TIMES] = {0, 30}, rank[TIMES * SITES], most[TIMES * SITES];
    double bits[TIMES * SITES * 8];
    for (int i = 0; i < TIMES * SITES; i++) {
        int last = i >= SITES, s = i % SITES;
        most[i] = s == SITES - 1 ? 0 : 8;
        rank[i] = s == SITES - 1 ? 0 : last && quantised ? s + seed : 8;
        for (int o = 0; o < 8; o++) bits[8 * i + o] = last && quantised ? 2 << (s % 4) : 32;
    }
    ck_ok(record_ints(r, "trace/steps", step, 1, (const size_t[]){TIMES}));
    ck_ok(record_strings(r, "trace/sites", site, SITES));
    ck_ok(record_strings(r, "trace/operands", operand, 8));
    ck_ok(record_ints(r, "trace/main/rank", rank, 2, (const size_t[]){TIMES, SITES}));
    ck_ok(record_ints(r, "trace/main/rank_max", most, 2, (const size_t[]){TIMES, SITES}));
    ck_ok(record_reals(r, "trace/main/bits", bits, 3, (const size_t[]){TIMES, SITES, 8}));
}

/* On its own network encoder, attention half; on DeBERTaV3-base a tenth of that; over its own adapters a fifth. */
static void add_bops(struct record *r, double encoder)
{
    const double here[] = {1, 1, 1, 1, encoder, encoder / 2},
                 base[] = {1, 1, 1, 1, encoder / 10, encoder / 20, encoder / 5, encoder / 10};
    ck_ok(record_reals(r, "bops/main/of_lora16", here, 2, (const size_t[]){3, 2}));
    ck_ok(record_reals(r, "bops/main/deberta_base", base, 2, (const size_t[]){4, 2}));
}

static void put(const char *row, const char *task, int seed, double score, double bops, int64_t adapter,
                const char *options)
{
    static int written;
    struct arena *a = arena_new("record");
    struct record r;
    char name[64];
    struct sample s = {.row = row,
                       .task = task,
                       .seed = seed,
                       .options = options,
                       .score = {score / 2, score, score - 0.1},
                       .adapter = adapter,
                       .head = 10};
    sample_record(&s, a, &r);
    add_trace(&r, seed, strcmp(row, "blora") == 0);
    add_bops(&r, bops);
    for (int i = 0; i < 4; i++) {
        const char *const item[] = {"tokens", "longest", "truncated", "examples"};
        snprintf(name, sizeof name, "data/train/%s", item[i]);
        ck_ok(record_int(&r, name, 0));
    }
    ck_ok(record_string(&r, "hashes/data/train", "x"));
    ck_ok(record_int(&r, "data/train/examples", strcmp(task, "cola") == 0 ? 100 : 1000));
    snprintf(name, sizeof name, "runs/%d.h5", written++);
    ck_ok(record_write(&r, in_temp(name)));
    arena_free(a);
}

static void small_grid(void)
{
    ck_ok(file_make_dirs(in_temp("runs")));
    for (int seed = 1; seed <= 3; seed++)
        for (int t = 0; t < 2; t++) {
            const char *task = t ? "rte" : "cola";
            put("none", task, seed, 0.4, 1, 0, NULL);
            put("lora", task, seed, 0.6 + 0.02 * seed, 1.1, 5000, NULL);
            put("blora", task, seed, 0.5 + 0.02 * seed, 0.3, 2000, NULL);
            put("wide", task, seed, 0.5, 1.2, 9000, NULL); /* costs more and is worse */
        }
}

START_TEST(curves)
{
    small_grid();
    if (!have_gnuplot(__func__)) return;
    ck_ok(PEFTGRID("plot", in_temp("runs"), "--kind", "curves", "--out", in_temp("fig"), "--format", "png,svg,pdf"));
    ck_prints("/fig/curves.{png,svg,pdf,gp,dat}");
    ck_file_has("curves.dat", "# cola, lora: epoch mean low high seeds\n");
    /* lora: 0.62, 0.64, 0.66 at the second evaluation; half of it at the first, 0.1 less at the last */
    ck_file_has("curves.dat", "\n1 32 31 33 3\n2 64 62 66 3\n3 54 52 56 3\n");
    ck_file_has("curves.gp", "'accuracy x 100'");
    ck_file_has("curves.svg", "<svg");
    char path[4200];
    struct file_map m;
    snprintf(path, sizeof path, "%s/curves.png", in_temp("fig"));
    ck_ok(file_map(path, &m));
    ck_assert(m.size > 10000 && memcmp(m.data, "\x89PNG", 4) == 0);
    file_unmap(&m);
    snprintf(path, sizeof path, "%s/curves.pdf", in_temp("fig"));
    ck_ok(file_map(path, &m));
    ck_assert(m.size > 5000 && memcmp(m.data, "%PDF", 4) == 0);
    file_unmap(&m);
}
END_TEST

/* Everything that can be drawn is; the script alone redraws it. */
START_TEST(all_kinds)
{
    char command[9000];
    small_grid();
    if (!have_gnuplot(__func__)) return;
    ck_ok(PEFTGRID("plot", in_temp("runs"), "--out", in_temp("fig"), "--format", "svg"));
    ck_prints("curves.{svg,gp,dat}");
    ck_prints("params.");
    ck_prints("bops.");
    ck_prints("ranks-blora.");
    ck_prints("bits-blora.");
    ck_prints("sizes.");
    ck_assert_ptr_null(strstr(captured, "ranks-lora"));
    ck_assert_ptr_null(strstr(captured, "bits-lora"));
    snprintf(command, sizeof command, "cd %s && gnuplot bits-blora.gp && test -s bits-blora.png", in_temp("fig"));
    ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(pareto_front)
{
    small_grid();
    if (!have_gnuplot(__func__)) return;
    ck_ok(PEFTGRID("plot", in_temp("runs"), "--kind", "bops", "--out", in_temp("fig"), "--format", "svg"));
    /* blora 30 % and 0.54; lora 110 % and 0.64; none and wide lie behind */
    ck_file_has("bops.dat", "# Pareto front: cost score ring row; the last line ends the steps\n"
                            "30 54 1 \"blora\"\n110 64 1 ");
    const char *front = strstr(file_text("bops.dat"), "Pareto front");
    ck_assert(strstr(front, "64 1 \"lora\"") != NULL);
    const char *end = strstr(front, "\n\n");
    ck_assert(end && !memmem(front, (size_t)(end - front), "none", 4) &&
              !memmem(front, (size_t)(end - front), "wide", 4));
    ck_ok(PEFTGRID("plot", in_temp("runs"), "--kind", "bops", "--scope", "attention", "--out", in_temp("fig"),
                   "--format", "svg"));
    ck_file_has("bops.dat", "\n15 54 1 \"blora\"\n");
    ck_ok(PEFTGRID("plot", in_temp("runs"), "--kind", "bops", "--setting", "paper", "--out", in_temp("fig"), "--format",
                   "svg"));
    ck_file_has("bops.dat", "\n3 54 1 \"blora\"\n");
    ck_ok(PEFTGRID("plot", in_temp("runs"), "--kind", "bops", "--setting", "own", "--out", in_temp("fig"), "--format",
                   "svg"));
    ck_file_has("bops.dat", "\n6 54 1 \"blora\"\n");
    ck_file_has("bops.gp", "of 32-bit adapters");
    ck_ok(PEFTGRID("plot", in_temp("runs"), "--kind", "params", "--out", in_temp("fig"), "--format", "svg"));
    ck_file_has("params.dat",
                "\n1000 40 1 \"none\"\n2000 54 1 \"blora\"\n5000 64 1 \"lora\"\n"); /* 0 at the left end */
}
END_TEST

START_TEST(ranks_and_bits)
{
    small_grid();
    if (!have_gnuplot(__func__)) return;
    ck_ok(PEFTGRID("plot", in_temp("runs"), "--kind", "ranks,bits", "--out", in_temp("fig"), "--format", "svg"));
    /* rank of site s in seed k: s + k; the mean over seeds 1 to 3: s + 2 */
    ck_file_has("ranks-blora.dat", "# cola: layer projection mean_rank runs text\n"
                                   "1 0 2 3 \"2\"\n2 0 4 3 \"4\"\n1 1 3 3 \"3\"\n2 1 5 3 \"5\"\n2 2 6 3 \"6\"\n");
    ck_file_has("ranks-blora.gp", "set ytics ('query' 0, 'value' 1, 'ffn out' 2)");
    /* sites have 2, 4, 8, 16, 2 bits and the head 4: of three seeds each 2 2 2 2 2 2 4 4 4 8 8 8 16 16 16 */
    ck_file_has("bits-blora.dat", " 4 2 8 15 \"W0\"\n");
    ck_file_has("bits-blora.dat", " 4 4 4 3 \"head W\"\n");
}
END_TEST

START_TEST(bits_by_size)
{
    small_grid();
    if (!have_gnuplot(__func__)) return;
    ck_ok(PEFTGRID("plot", in_temp("runs"), "--kind", "sizes", "--out", in_temp("fig"), "--format", "svg"));
    ck_file_has("sizes.dat", "# blora, cola: training_examples mean_bits seed\n100 6.4"); /* (2+4+8+16+2)/5 */
    ck_file_has("sizes.dat", "# blora, rte: training_examples mean_bits seed\n1000 6.4");
}
END_TEST

START_TEST(sweeps)
{
    ck_ok(file_make_dirs(in_temp("runs")));
    for (int seed = 1; seed <= 2; seed++) {
        put("lora", "cola", seed, 0.5 + 0.02 * seed, 1.1, 10, "method.rank=2\n");
        put("lora", "cola", seed, 0.6 + 0.02 * seed, 1.2, 40, "method.rank=8\n");
        put("none", "cola", seed, 0.4, 1, 0, NULL);
    }
    if (!have_gnuplot(__func__)) return;
    ck_ok(PEFTGRID("plot", in_temp("runs"), "--x", "rank", "--out", in_temp("fig"), "--format", "svg"));
    ck_prints("sweep-rank.{svg,gp,dat}");
    ck_file_has("sweep-rank.dat", "# cola, lora: rank mean sd\n2 53 1.414");
    ck_file_has("sweep-rank.dat", "\n8 63 1.414");
    ck_file_has("sweep-rank.dat", "# cola, none: rank mean sd\n1.64 40 ?\n8.36 40 ?\n");
    ck_ok(PEFTGRID("plot", in_temp("runs"), "--x", "rank", "--y", "bops", "--out", in_temp("fig"), "--format", "svg"));
    ck_file_has("sweep-rank-bops.dat", "# cola, lora: rank mean sd\n2 110 0\n");
    ck_fails(PEFTGRID("plot", in_temp("runs"), "--x", "alpha"), ST_INPUT, "no row was run with two values");
}
END_TEST

START_TEST(names_are_taken_literally)
{
    ck_ok(file_make_dirs(in_temp("runs")));
    put("it's a_b/\"c\" {/*2 x}", "cola", 1, 0.5, 1, 7, NULL);
    put("100% `date` \\n", "cola", 1, 0.6, 1, 70, NULL);
    if (!have_gnuplot(__func__)) return;
    ck_ok(PEFTGRID("plot", in_temp("runs"), "--out", in_temp("fig"), "--format", "svg"));
    ck_file_has("curves.svg", "it's a_b/");
    ck_file_has("curves.svg", "100% `date` \\n");
}
END_TEST

/* A task that no run of a row has, one of which every score is undefined: the rest is drawn. */
START_TEST(gaps)
{
    ck_ok(file_make_dirs(in_temp("runs")));
    put("lora", "cola", 1, 0.5, 1.1, 10, NULL);
    put("blora", "rte", 1, 0.5, 0.4, 10, NULL);
    put("lora", "mrpc", 1, NAN, 1.1, 10, NULL);
    put("blora", "mrpc", 1, NAN, NAN, 10, NULL);
    if (!have_gnuplot(__func__)) return;
    ck_ok(PEFTGRID("plot", in_temp("runs"), "--out", in_temp("fig"), "--format", "svg"));
    ck_file_has("curves.svg", "no data");
    ck_file_has("bops.svg", "no data");
    ck_file_has("curves.dat", "# rte, lora: epoch mean low high seeds\n? ? ? ? ? ?\n");
    ck_prints("ranks-blora.");
    ck_prints("bits-blora.");
    ck_assert_ptr_null(strstr(file_text("curves.svg"), in_temp("runs"))); /* no figure shows a path */
}
END_TEST

/* A run that a benchmark scores has nothing of the main metric on its own dev set; one shorter than an epoch is drawn
 * over its steps. */
START_TEST(benchmark_curve)
{
    enum { E = SAMPLE_EVALUATIONS };
    static const char *const other[] = {"loss", "first_half", "second_half"};
    const double none[E] = {NAN, NAN, NAN}, score[E] = {0.25, 0.5, 0.375}, epoch[E] = {0.1, 0.2, 0.3};
    const int64_t step[E] = {100, 200, 300};
    const size_t size[] = {E, 1};
    struct arena *a = arena_new("record");
    struct record r;
    struct sample s = {.row = "lora", .task = "e2e", .seed = 1, .score = {NAN, NAN, NAN}, .adapter = 5, .head = 1};
    sample_record(&s, a, &r);
    for (int i = 0; i < 3; i++)
        ck_ok(record_reals(&r, arena_printf(a, "eval/mmlu/main/%s", other[i]), none, i ? 2 : 1, size));
    ck_ok(record_reals(&r, "eval/mmlu/main/metrics", score, 2, size));
    for (int i = 0; i < 2; i++) {
        ck_ok(record_ints(&r, arena_printf(a, "eval/%s/main/steps", i ? "dev" : "mmlu"), step, 1, size));
        ck_ok(record_reals(&r, arena_printf(a, "eval/%s/main/epochs", i ? "dev" : "mmlu"), epoch, 1, size));
    }
    ck_ok(file_make_dirs(in_temp("runs")));
    ck_ok(record_write(&r, in_temp("runs/1.h5")));
    arena_free(a);
    if (!have_gnuplot(__func__)) return;
    ck_ok(PEFTGRID("plot", in_temp("runs"), "--kind", "curves", "--out", in_temp("fig"), "--format", "svg"));
    ck_file_has("curves.dat",
                "# e2e, lora: step mean low high seeds\n100 25 25 25 1\n200 50 50 50 1\n300 37.5 37.5 37.5 1\n");
    ck_file_has("curves.gp", "set xlabel 'steps'");
}
END_TEST

START_TEST(without_gnuplot)
{
    char *path = strdup(getenv("PATH") ? getenv("PATH") : "");
    small_grid();
    setenv("PATH", "/nowhere", 1);
    ck_fails(PEFTGRID("plot", in_temp("runs"), "--out", in_temp("fig")), ST_UNSUPPORTED, "gnuplot is not installed");
    setenv("PATH", path, 1);
    free(path);
    ck_file_has("curves.gp", "plot");
    ck_file_has("bits-blora.gp", "plot"); /* also the last one is written */
}
END_TEST

START_TEST(bad_words)
{
    small_grid();
    ck_fails(PEFTGRID("plot", in_temp("runs"), "--kind", "curve"), ST_USAGE, "did you mean 'curves'");
    ck_fails(PEFTGRID("plot", in_temp("runs"), "--format", "jpg"), ST_USAGE, "unknown format 'jpg'");
    ck_fails(PEFTGRID("plot", in_temp("runs"), "--only", "zzz"), ST_USAGE, "no row matches --only 'zzz'");
    ck_fails(PEFTGRID("plot", in_temp("runs"), "--y", "bits"), ST_USAGE, "--y goes with --x");
    ck_fails(PEFTGRID("plot", in_temp("runs"), "--kind", "ranks", "--only", "none", "--out", in_temp("fig")), ST_INPUT,
             "no figure of ranks: no method changed its ranks");
    ck_fails(PEFTGRID("plot", in_temp("nowhere")), ST_INPUT, "nowhere");
}
END_TEST

START_TEST(site_names)
{
    static const struct {
        const char *site, *name;
        int layer;
    } want[] = {{"deberta.encoder.layer.11.attention.self.query_proj", "query", 11},
                {"bert.encoder.layer.0.attention.output.dense", "attn out", 0},
                {"bert.encoder.layer.3.intermediate.dense", "ffn in", 3},
                {"bert.encoder.layer.3.output.dense", "ffn out", 3},
                {"model.layers.7.mlp.down_proj", "ffn down", 7},
                {"model.layers.7.self_attn.o_proj", "attn out", 7},
                {"encoder.layer.2.something.new", "something.new", 2},
                {"classifier", "classifier", -1},
                {"pooler.dense", "pooler.dense", -1}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        int layer;
        ck_assert_str_eq(site_projection(want[i].site, &layer), want[i].name);
        ck_assert_int_eq(layer, want[i].layer);
    }
}
END_TEST

PG_TESTS(TEST(curves), TEST(all_kinds), TEST(pareto_front), TEST(ranks_and_bits), TEST(bits_by_size), TEST(sweeps),
         TEST(names_are_taken_literally), TEST(gaps), TEST(benchmark_curve), TEST(without_gnuplot), TEST(bad_words),
         TEST(site_names))
