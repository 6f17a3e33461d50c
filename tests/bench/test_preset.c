/* Presets: what they come to, in experiments, in sessions, and for every one in the table. */
#include "tests/pgtest.h"

#include "bench/experiment.h"
#include "bench/preset.h"
#include "core/text.h"
#include "tests/method_checks.h"

static struct arena *arena;
static struct experiment e;

static status read_rows(const char *methods, const char *rows)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/x.ini", temp_dir());
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "[experiment]\nmodel = mini\ndata = .\ntasks = cola\nseeds = 1\nmethods = %s\n[train]\nlr = 1\n%s",
            methods, rows);
    fclose(f);
    if (!arena) arena = arena_new("test");
    return experiment_read(path, arena, &e);
}

/* Whether a line of the cell's canonical text is this one. */
static bool says(const struct cell *c, const char *line)
{
    const char *at = strstr(c->canon, line);
    return at && (at == c->canon || at[-1] == '\n') && at[strlen(line)] == '\n';
}

START_TEST(qlora_is_lora_over_nf4)
{
    ck_ok(read_rows("qlora, written", "[row written]\nmethod = lora\nstore = nf4\nsites = all\nrank = 64\nalpha = 16\n"
                                      "dropout = 0.1\n"));
    ck_assert_int_eq(e.cells, 2);
    ck_assert_str_eq(e.cell[0].row, "qlora");
    ck_assert_ptr_eq(e.cell[0].method, method_find("lora"));
    ck_assert_ptr_eq(e.cell[0].store, store_find("nf4"));
    ck_assert_str_eq(e.cell[0].canon, e.cell[1].canon);
    ck_assert(says(&e.cell[0], "method.rank=64") && says(&e.cell[0], "store.block=64"));
    ck_assert(says(&e.cell[0], "store.double_quant=yes") && says(&e.cell[0], "store.bits=4"));
}
END_TEST

START_TEST(rows_win_over_presets)
{
    ck_ok(read_rows("qlora", "[row qlora]\nrank = 4, 8\nbits = 3\ndouble_quant = no\n"));
    ck_assert_int_eq(e.cells, 2);
    ck_assert_str_eq(e.cell[1].label, "qlora/cola/1/rank=8");
    ck_assert(says(&e.cell[1], "method.rank=8") && says(&e.cell[1], "store.bits=3"));
    ck_assert(says(&e.cell[1], "store.double_quant=no") && says(&e.cell[1], "method.dropout=0.1"));
    ck_ok(read_rows("a", "[row a]\nmethod = qlora\nstore = f32\n"));
    ck_assert_ptr_eq(e.cell[0].store, store_find("f32"));
    ck_ok(read_rows("a", "[row a]\nmethod = qlora\nstore = nf4, f32\n"));
    ck_assert_int_eq(e.cells, 2);
    ck_ok(read_rows("a", "[row a]\nmethod = qlora\nblock = 32, 64, 128\n"));
    ck_assert_int_eq(e.cells, 3);
    ck_assert(strcmp(e.cell[0].canon, e.cell[1].canon) != 0);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    ck_fails(read_rows("full_ft", "[row full_ft]\nstore = nf4\n"), ST_USAGE,
             "row 'full_ft': method full_ft trains base weights and needs store = f32, not nf4");
    ck_fails(read_rows("lora", "[row lora]\nblock = 32\n"), ST_USAGE, "unknown option 'block'");
    ck_fails(read_rows("qlora", "[row qlora]\nbits = 5\n"), ST_USAGE,
             "option bits is '5', expected an integer of 2 to 4");
    const struct session_spec spec = {.method = method_find("full_ft"), .store = store_find("nf4")};
    struct session s;
    ck_fails(session_open(&spec, &s), ST_USAGE, "full_ft trains the base weights");
}
END_TEST

START_TEST(presets_of_presets)
{
    struct preset p;
    struct method inner = *method_find("lora"), outer = inner, wrong = inner, loop = inner;
    inner.preset_of = method_find("lora"), inner.preset = "rank=4 alpha=8";
    outer.preset_of = &inner, outer.preset = "rank=2 store=nf4";
    arena = arena_new("test");
    ck_ok(preset_resolve(&outer, arena, &p));
    ck_assert_ptr_eq(p.method, method_find("lora"));
    ck_assert_str_eq(preset_value(&p, "rank"), "2");
    ck_assert_str_eq(preset_value(&p, "alpha"), "8");
    ck_assert_ptr_null(preset_value(&p, "dropout"));
    ck_ok(preset_resolve(method_find("lora"), arena, &p));
    ck_assert_int_eq(p.settings, 0);
    wrong.preset_of = method_find("lora"), wrong.preset = "rank 4";
    ck_fails(preset_resolve(&wrong, arena, &p), ST_INTERNAL, "'rank 4' is not name=value words");
    loop.preset_of = &loop, loop.preset = "";
    ck_fails(preset_resolve(&loop, arena, &p), ST_INTERNAL, "too deep");
}
END_TEST

/* Its arithmetic is what this preset is: [train], which holds for all rows, does not take it away; the row may. */
START_TEST(integer_is_full_ft_in_integers)
{
    ck_ok(read_rows("integer, written, full_ft", "precision = bf16\n[row written]\nmethod = full_ft\nprecision = dfp\n"
                                                 "[row integer]\nrounding = stochastic\n"));
    ck_assert_int_eq(e.cells, 3);
    ck_assert_ptr_eq(e.cell[0].method, method_find("full_ft"));
    ck_assert_str_eq(e.cell[0].canon, e.cell[1].canon);
    ck_assert(says(&e.cell[0], "train.precision=dfp") && says(&e.cell[0], "arith.weight_bits=8"));
    ck_assert(says(&e.cell[0], "arith.activation_bits=12") && says(&e.cell[0], "arith.gradient_bits=8"));
    ck_assert(says(&e.cell[0], "arith.rounding=stochastic") && says(&e.cell[0], "arith.eval_scale=example"));
    ck_assert(says(&e.cell[2], "train.precision=bf16") && !strstr(e.cell[2].canon, "arith."));
    ck_ok(read_rows("integer", "[row integer]\nprecision = f32\n"));
    ck_assert(says(&e.cell[0], "train.precision=f32") && !strstr(e.cell[0].canon, "arith."));
    ck_ok(read_rows("integer", "eval_batch = 7\n[row integer]\neval_scale = example, batch\n"));
    ck_assert(!strstr(e.cell[0].canon, "eval_batch") && says(&e.cell[1], "train.eval_batch=7")); /* it decides bits */
    ck_ok(read_rows("a", "weight_bits = 4, 16\n[row a]\nmethod = lora\nprecision = dfp\n"));
    ck_assert_int_eq(e.cells, 2);
    ck_assert_str_eq(e.cell[1].label, "a/cola/1/weight_bits=16");
    ck_assert(says(&e.cell[1], "arith.weight_bits=16"));
}
END_TEST

/* An option of an arithmetic that the row does not have says so, with its place. */
START_TEST(options_of_another_precision)
{
    ck_fails(read_rows("lora", "weight_bits = 8\n"), ST_USAGE,
             "x.ini:9: 'weight_bits' is an option of precision = dfp, and row 'lora' has precision = f32");
    ck_fails(read_rows("lora", "[row lora]\nprecision = bf16\nrounding = nearest\n"), ST_USAGE,
             "x.ini:11: 'rounding' is an option of precision = dfp, and row 'lora' has precision = bf16");
    ck_fails(read_rows("integer", "weight_bits = 17\n"), ST_USAGE, "weight_bits");
    ck_fails(read_rows("integer", "[row integer]\nweight_bit = 8\n"), ST_USAGE, "did you mean 'weight_bits'?");
}
END_TEST

/* Every preset of the table can be a row, each of its words says something, and it makes steps. */
START_TEST(every_preset_runs)
{
    int presets = 0;
    for (int i = 0; method_table[i]; i++) {
        const struct method *m = method_table[i];
        struct preset p;
        struct session s;
        double first, second;
        if (!m->preset_of) continue;
        presets++;
        ck_ok(read_rows(m->name, ""));
        ck_ok(preset_resolve(m, arena, &p));
        const struct cell *c = &e.cell[0];
        ck_assert_ptr_eq(c->method, p.method);
        for (int k = 0; k < p.settings; k++) {
            const char *key = p.setting[k].key, *value = p.setting[k].value;
            bool found = strcmp(key, "store") == 0 && strcmp(c->store->name, value) == 0;
            static const char *const prefix[] = {"method", "store", "train", "arith"};
            for (int j = 0; j < 4 && !found; j++)
                found = says(c, arena_printf(arena, "%s.%s=%s", prefix[j], key, value));
            ck_assert_msg(found, "%s: %s=%s is not in the cell:\n%s", m->name, key, value, c->canon);
        }
        ck_assert_msg(!m->attach && !m->options && !m->flags, "%s: a preset has no hooks of its own", m->name);
        const struct probe probe = {c->method, c->method_options,      PROBE_DEBERTA,
                                    c->store,  train_arith(&c->train), c->arith_options};
        ck_ok(probe_open(&probe, 0, &s));
        ck_ok(probe_step(&s, 0, 1, &first));
        ck_ok(probe_step(&s, 1, 1, &second));
        ck_assert_msg(second < first + 0.5, "%s: the loss goes from %g to %g", m->name, first, second);
        session_close(&s);
    }
    ck_assert_int_ge(presets, 1);
}
END_TEST

PG_TESTS(TEST(qlora_is_lora_over_nf4), TEST(rows_win_over_presets), TEST(what_does_not_fit_is_refused),
         TEST(presets_of_presets), TEST(integer_is_full_ft_in_integers), TEST(options_of_another_precision),
         TEST(every_preset_runs))
