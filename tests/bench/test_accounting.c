/* Counts and bit operations against the published formulas (METHODS 3.6.4, 4) and reference values. */
#include "tests/pgtest.h"

#include <math.h>
#include "bench/adapter.h"
#include "bench/bops_record.h"
#include "core/arith_dfp.h"
#include "core/file.h"
#include "core/jsonfile.h"

static struct arena *arena;

/* One layer of DeBERTaV3-base, with few embedding rows: operations and adapters go by layer. */
static const char base_layer[] =
    "{\"model_type\": \"deberta-v2\", \"vocab_size\": 8, \"hidden_size\": 768, \"num_hidden_layers\": 1,"
    " \"num_attention_heads\": 12, \"intermediate_size\": 3072, \"max_position_embeddings\": 512,"
    " \"type_vocab_size\": 0, \"relative_attention\": true, \"share_att_key\": true, \"pos_att_type\": \"p2c|c2p\","
    " \"norm_rel_ebd\": \"layer_norm\", \"position_biased_input\": false, \"position_buckets\": 256,"
    " \"max_relative_positions\": -1, \"layer_norm_eps\": 1e-7, \"hidden_act\": \"gelu\"}";

static void open_base(const char *method, const char *options, struct session *s)
{
    const struct adapter_info info = {.method = method, .options = options};
    struct session_spec spec = {.model = {.head = HEAD_CLASSIFY, .num_labels = 2, .random = 1}};
    void *o;
    if (!arena) arena = arena_new("test");
    const char *folder = arena_strdup(arena, temp_dir());
    ck_ok(file_write_atomic(path_join(arena, folder, "config.json"), base_layer, strlen(base_layer)));
    ck_ok(adapter_method(&info, "the test", &spec.method, &o, arena));
    spec.model.path = folder;
    spec.method_options = o;
    ck_ok(session_open(&spec, s));
}

static void open_lora(int rank, const char *sites, struct session *s)
{
    if (!arena) arena = arena_new("test");
    if (rank == 0)
        open_base("none", NULL, s);
    else
        open_base("lora", arena_printf(arena, "rank=%d\nsites=%s\n", rank, sites), s);
}

START_TEST(counts_follow_the_formulas)
{
    struct session s;
    open_lora(8, "all", &s);
    ck_assert_double_eq(adapter_trained(&s), 165888.0 * 8 / 12); /* equation 17, a layer */
    ck_assert_double_eq(adapter_deployed(&s, 0), 165888.0 * 8 / 12);
    session_close(&s);
    open_lora(8, "query+value", &s);
    ck_assert_double_eq(adapter_trained(&s), 294912.0 / 12);
    session_close(&s);
    open_lora(0, "", &s);
    ck_assert_double_eq(adapter_trained(&s), 0);
    session_close(&s);
}
END_TEST

/* Rank -> MACs of a layer at l and e, and percentages of rank 16. */
START_TEST(operations_equal_the_reference)
{
    NEED_SHARED("golden/methods/accounting/case.json");
    static const int ranks[] = {0, 1, 2, 4, 8, 16};
    json_t *root;
    ck_ok(jsonfile_read(shared_path("golden/methods/accounting/case.json"), 1 << 26, &root));
    const json_t *settings = json_object_get(root, "bops_32bit");
    ck_assert_uint_gt(json_array_size(settings), 0);
    for (size_t r = 0; r < sizeof ranks / sizeof ranks[0]; r++) {
        struct session s;
        char key[16];
        open_lora(ranks[r], "qkv", &s);
        snprintf(key, sizeof key, "r%d", ranks[r]);
        const struct session_variant v = {&s, 0};
        const struct bops_form form = bops_of_session(&v);
        ck_assert_int_eq(model_table_rows(s.model), 512);
        for (size_t i = 0; i < json_array_size(settings); i++) {
            const json_t *set = json_array_get(settings, i);
            double l = json_number_value(json_object_get(set, "l")), e = json_number_value(json_object_get(set, "e"));
            double want = json_number_value(json_object_get(json_object_get(set, "encoder_macs_per_layer"), key));
            struct bops all = bops_count(s.model, &form, l, e, NULL, NULL),
                        plain = bops_count(s.model, &bops_plain, l, e, NULL, NULL);
            ck_assert_double_eq_tol(all.encoder / 1024, want, 0.5);
            double base = json_number_value(json_object_get(json_object_get(set, "encoder_macs_per_layer"), "r0"));
            ck_assert_double_eq_tol(plain.encoder / 1024, base, 0.5);
            if (ranks[r] == 16)
                ck_assert_double_eq_tol(all.attention / all.encoder,
                                        json_number_value(json_object_get(set, "attention_share_r16")), 1e-9);
        }
        session_close(&s);
    }
    json_decref(root);
}
END_TEST

/* A quantised method's bits, as a report would give them: METHODS 4.3 by hand for one setting. */
static void eight_bits(const struct mrun *run, const struct site *site, int variant, struct site_report *r)
{
    (void)run, (void)variant;
    r->rank = r->rank_max = 8;
    r->bits_w = r->bits_a = r->bits_b = r->bits_qa = r->bits_qe = r->bits_out = 8;
    r->adapter_macs_per_token = 8.0 * (site->in + site->out);
}

START_TEST(bits_enter_where_the_rule_says)
{
    const double d = 768, l = 20, e = 512, r = 8;
    struct session s;
    open_lora(8, "qkv", &s);
    struct method quantised = *s.run.method;
    quantised.report = eight_bits;
    s.run.method = &quantised;
    const struct session_variant v = {&s, 0};
    const struct bops_form form = bops_of_session(&v);
    struct bops b = bops_count(s.model, &form, l, e, NULL, NULL);
    double tokens = 3 * l + 2 * e;
    double want = 8 * 32 * d * d * tokens               /* W x: x has 32 bits */
                  + 8 * 32 * r * d * tokens             /* A x */
                  + 8 * 8 * r * d * tokens              /* B of an 8-bit activation */
                  + 8 * 8 * (l * l * d + 2 * l * e * d) /* scores, content x position */
                  + 32 * 8 * l * l * d;                 /* probabilities x values */
    ck_assert_double_eq_tol(b.attention / want, 1, 1e-12);
    ck_assert_double_eq_tol(b.encoder - b.attention, 1024 * 9 * d * d * l, 1);
    session_close(&s);
}
END_TEST

/* precision = dfp: all linear layers at the integers' bits, attention's products and adapters in single precision; the
 * same by the form that is carried to another model, and in a trace, which then has all linear layers. */
START_TEST(integers_enter_in_every_layer)
{
    const double d = 768, l = 20, e = 512, tokens = 3 * l + 2 * e;
    const struct dfp_options options = {.weight_bits = 6, .activation_bits = 10, .gradient_bits = 8};
    for (int rank = 0; rank <= 8; rank += 8) {
        struct session s;
        struct site_forms forms;
        struct trace trace;
        open_lora(rank, "qkv", &s);
        s.arith = &arith_dfp;
        s.arith_options = &options;
        const struct session_variant v = {&s, 0};
        const struct bops_form form = bops_of_session(&v);
        struct bops b = bops_count(s.model, &form, l, e, NULL, NULL);
        double attention = 6 * 10 * d * d * tokens + 32 * 32 * (2 * l * l * d + 2 * l * e * d + 2 * rank * d * tokens);
        ck_assert_double_eq_tol(b.attention / attention, 1, 1e-12);
        ck_assert_double_eq_tol((b.encoder - b.attention) / (6 * 10 * 9 * d * d * l), 1, 1e-12);
        ck_ok(session_forms(&s, 0, arena, &forms));
        forms.onto = 1;
        const struct bops_form carried = bops_carried(&forms);
        ck_assert_double_eq(bops_count(s.model, &carried, l, e, NULL, NULL).encoder, b.encoder);
        ck_ok(trace_init(&trace, arena, &s, 1));
        trace_add(&trace, &s, 0);
        ck_assert_int_eq(trace.sites, 8); /* six of the layer, pooler and classifier */
        for (int i = 0; i < trace.sites; i++) ck_assert(trace.report[i].bits_w == 6 && trace.report[i].bits_x == 10);
        session_close(&s);
    }
}
END_TEST

/* ---- on DeBERTaV3-base's shape: METHODS 4.2 ---- */

static struct model *base_shape(void)
{
    static struct registry reg;
    struct model *m;
    if (!arena) arena = arena_new("test");
    ck_ok(shape_open("deberta-v3-base", &deberta_base_shape, arena, &reg, &m));
    ck_assert_uint_eq(param_count(&reg, P_BASE, false), 183831552);
    return m;
}

START_TEST(the_published_percentages)
{
    struct model *m = base_shape();
    static const struct {
        int rank;
        double percent;
    } row[] = {{2, 97.04}, {8, 98.31}, {16, 100}};
    for (size_t i = 0; i < 3; i++) {
        const struct bops_form form = bops_lora(&row[i].rank);
        struct bops_ratios b = bops_compare(m, &form, BOPS_PAPER_LENGTH, model_table_rows(m));
        ck_assert_double_eq_tol(100 * b.lora.encoder, row[i].percent, 0.005);
        ck_assert_double_eq_tol(b.unquantised.encoder, 1, 1e-15);
    }
    model_close(m);
}
END_TEST

/* The same from methods as they are opened: LoRA, and B-LoRA before it has learnt anything. */
START_TEST(methods_need_the_published_operations)
{
    static const struct {
        const char *method, *options;
        double percent, tolerance;
    } row[] = {{"lora", "rank=16\nsites=qkv\n", 100, 1e-12},  {"lora", "rank=2\nsites=qkv\n", 97.04, 0.005},
               {"lora", "rank=8\nsites=qkv\n", 98.31, 0.005}, {"lora", "rank=2\nsites=all\n", 97.09, 0.005},
               {"blora", "form=q\nrank=8\n", 98.31, 0.005},   {"none", NULL, 96.62, 0.005}};
    if (!arena) arena = arena_new("test");
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        const struct adapter_info info = {.method = row[i].method, .options = row[i].options};
        struct session_spec spec = {
            .model = {.path = "deberta-v3-base", .head = HEAD_CLASSIFY, .num_labels = 2, .shape = &deberta_base_shape},
            .total_steps = 100};
        struct session s;
        void *o;
        ck_ok(adapter_method(&info, "the test", &spec.method, &o, arena));
        spec.method_options = o;
        ck_ok(session_open(&spec, &s));
        const struct session_variant v = {&s, 0};
        const struct bops_form form = bops_of_session(&v);
        struct bops_ratios b = bops_compare(s.model, &form, BOPS_PAPER_LENGTH, model_table_rows(s.model));
        ck_assert_double_eq_tol(100 * b.lora.encoder, row[i].percent, row[i].tolerance);
        ck_assert_double_eq_tol(b.unquantised.encoder, 1, 1e-15);
        session_close(&s);
    }
}
END_TEST

/* Four bits wherever blora quantises, at rank 3 of 8. */
static void four_bits(const void *ctx, const struct site *site, struct site_report *r)
{
    (void)ctx;
    if (site->role != ROLE_QUERY && site->role != ROLE_KEY && site->role != ROLE_VALUE) return;
    r->rank = 3;
    r->rank_max = 8;
    r->adapter_macs_per_token = 3.0 * (site->in + site->out + 1);
    r->bits_w = r->bits_a = r->bits_b = r->bits_e = r->bits_qa = r->bits_qe = r->bits_out = 4;
}

/* Attention and encoder move together: f = (100 - E) / (100 - A), which is 0.86305 against the own network of rank 8.
 */
START_TEST(the_share_of_attention)
{
    struct model *m = base_shape();
    const struct bops_form form = {four_bits, NULL};
    struct bops_ratios b = bops_compare(m, &form, BOPS_PAPER_LENGTH, model_table_rows(m));
    ck_assert_double_eq_tol((1 - b.unquantised.encoder) / (1 - b.unquantised.attention), 0.86305, 1e-4);
    ck_assert_double_lt(b.lora.encoder, b.plain.encoder);
    model_close(m);
}
END_TEST

/* The forms of a network of six layers, by hand: bits tell the layer they come from. */
START_TEST(forms_are_carried_by_depth)
{
    struct model *m = base_shape();
    struct site_form six[6];
    for (int i = 0; i < 6; i++) {
        six[i] = (struct site_form){.layer = i, .in = 384, .out = 384, .role = ROLE_VALUE, .kind = SITE_LINEAR};
        six[i].report = (struct site_report){.rank = 8, .rank_max = 8, .bits_w = 2 + i, .bits_x = 32, .bits_out = 32};
        six[i].report.adapter_macs_per_token = 8.0 * (384 + 384 + 1);
    }
    const struct site_forms forms = {six, 6, 6, 12};
    const struct bops_form form = bops_carried(&forms);
    for (int i = 0; i < m->sites; i++) {
        struct site_report r = {.bits_w = 32};
        form.report(form.ctx, m->site[i], &r);
        bool value = m->site[i]->role == ROLE_VALUE;
        ck_assert_double_eq(r.bits_w, value ? 2 + m->site[i]->layer / 2 : 32);
        ck_assert_int_eq(r.rank, value ? 8 : 0);
        ck_assert_double_eq(r.adapter_macs_per_token, value ? 8.0 * (768 + 768 + 1) : 0);
    }
    model_close(m);
}
END_TEST

START_TEST(shapes_survive_in_records)
{
    struct record r;
    struct model_config back;
    bool found;
    if (!arena) arena = arena_new("test");
    ck_ok(record_init(&r, arena));
    ck_ok(shape_of_record(&r, &back, &found));
    ck_assert(!found);
    ck_ok(shape_record(&deberta_base_shape, &r));
    ck_ok(shape_of_record(&r, &back, &found));
    ck_assert(found);
    ck_assert_int_eq(back.family, FAMILY_DEBERTA_V2);
    ck_assert_int_eq(back.hidden, 768);
    ck_assert_int_eq(back.ffn, 3072);
    ck_assert_int_eq(back.layers, 12);
    ck_assert_int_eq(back.position_buckets, 256);
    ck_assert(back.relative && back.c2p && back.p2c);
}
END_TEST

PG_TESTS(TEST(counts_follow_the_formulas), TEST(operations_equal_the_reference), TEST(bits_enter_where_the_rule_says),
         TEST(integers_enter_in_every_layer), TEST(the_published_percentages),
         TEST(methods_need_the_published_operations), TEST(the_share_of_attention), TEST(forms_are_carried_by_depth),
         TEST(shapes_survive_in_records))
