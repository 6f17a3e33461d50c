/* Sites: roles, choosing, the f32 store, thawed weights, and the list of products. */
#include "tests/pgtest.h"

#include <math.h>
#include "tests/model_fixture.h"

extern const struct store store_f32;

static const char bert[] =
    "{\"model_type\": \"bert\", \"hidden_size\": 12, \"num_hidden_layers\": 2, \"num_attention_heads\": 3, "
    "\"intermediate_size\": 20, \"vocab_size\": 30, \"max_position_embeddings\": 16, \"type_vocab_size\": 2}";
static const char deberta[] =
    "{\"model_type\": \"deberta-v2\", \"hidden_size\": 12, \"num_hidden_layers\": 2, \"num_attention_heads\": 3, "
    "\"intermediate_size\": 48, \"vocab_size\": 30, \"max_position_embeddings\": 16, \"position_buckets\": 8, "
    "\"relative_attention\": true, \"share_att_key\": true, \"pos_att_type\": \"p2c|c2p\", \"norm_rel_ebd\": "
    "\"layer_norm\", "
    "\"position_biased_input\": false, \"type_vocab_size\": 0, \"max_relative_positions\": -1}";

static struct fixture f;
static bool chosen[64];

static void begin(const char *config)
{
    notice_quiet(1);
    fixture_random(&f, config, HEAD_CLASSIFY, 2);
}

static int choose(const char *spec)
{
    int n = 0;
    ck_ok(sites_choose(f.model->site, f.model->sites, spec, chosen));
    for (int i = 0; i < f.model->sites; i++) n += chosen[i];
    return n;
}

START_TEST(roles)
{
    for (int r = 0; r < ROLES; r++) ck_assert_int_eq(role_by_name(role_name((enum role)r)), r);
    ck_assert_int_eq(role_by_name("nothing"), -1);
}
END_TEST

START_TEST(choosing)
{
    begin(bert);
    ck_assert_int_eq(f.model->sites, 2 * (6 + 2) + 2);
    ck_assert_int_eq(choose("all"), 12);
    ck_assert_int_eq(choose("query"), 2);
    ck_assert_int_eq(choose("query+value"), 4);
    ck_assert_int_eq(choose(" query + value + query "), 4);
    ck_assert_int_eq(choose("qkv"), 6);
    ck_assert_int_eq(choose("attention"), 8);
    ck_assert_int_eq(choose("ffn"), 4);
    ck_assert_int_eq(choose("ffn_in+classifier"), 3);
    ck_assert_int_eq(choose("after_attn+after_ffn"), 4);
    ck_assert_int_eq(choose("*layer.1.*"), 6); /* linear layers, not points */
    ck_assert_int_eq(choose("*layer.1.after_*"), 2);
    ck_assert_int_eq(choose("bert.encoder.layer.0.attention.self.key"), 1);
    ck_assert_int_eq(choose("*"), 14);
    for (int i = 0; i < f.model->sites; i++) ck_assert_int_eq(f.model->site[i]->index, i);
    ck_fails(sites_choose(f.model->site, f.model->sites, "query+keys", chosen), ST_USAGE,
             "'keys' matches nothing in this model; give roles (query, key, value, attn_out, ffn_in, ffn_out, pooler, "
             "classifier, after_attn, after_ffn)");
    ck_fails(sites_choose(f.model->site, f.model->sites, "gate", chosen), ST_USAGE, "'gate' matches nothing");
    ck_fails(sites_choose(f.model->site, f.model->sites, " + ", chosen), ST_USAGE, "at least one role or pattern");
    fixture_close(&f);
}
END_TEST

/* A weight that is thawed after the model was opened is the one that products read, with and without stores. */
START_TEST(thawed_weights)
{
    NEED_SHARED("golden/models/bert_cls");
    for (int stores = 0; stores < 2; stores++) {
        struct mat a, b;
        ck_ok(fixture_open(&f, shared_path("golden/models/bert_cls"), HEAD_CLASSIFY, 0));
        fixture_batch_file(&f, shared_path("golden/models/bert_cls/batch.json"));
        fixture_forward(&f, &a, NULL);
        real before = a.a[0];
        fixture_thaw_all(&f);
        if (stores) ck_ok(model_build_stores(f.model, store_find("f32"), NULL));
        fixture_forward(&f, &b, NULL);
        ck_assert_double_eq((double)before, (double)b.a[0]);
        struct param *p = param_find(&f.reg, "bert.encoder.layer.1.output.dense.weight");
        p->data[5] += 1;
        fixture_forward(&f, &b, NULL);
        ck_assert_double_ne((double)before, (double)b.a[0]);
        fixture_close(&f);
    }
}
END_TEST

START_TEST(store)
{
    struct arena *arena = arena_new("test");
    static const unsigned short half[4] = {0x3c00, 0xc000, 0x0000, 0x3800};
    struct wsrc f16 = wsrc_f16(half, 2, 2), out, same;
    ck_assert_ptr_null(store_find("nothing"));
    ck_ok(store_f32.build(NULL, &f16, arena, &out));
    ck_assert_double_eq((double)out.dense[1], -2);
    ck_assert_double_eq((double)out.dense[3], 0.5);
    ck_assert_double_eq(out.bits, 32);
    ck_ok(store_f32.build(NULL, &out, arena, &same));
    ck_assert_ptr_eq(same.dense, out.dense);
    arena_free(arena);
}
END_TEST

/* ---- products ---- */

struct sums {
    double layer[2], head, table, terms;
    int weightless;
};

static void collect(void *ctx, const struct product *p)
{
    struct sums *s = ctx;
    ck_assert(p->macs > 0);
    if (p->layer < 0)
        s->head += p->macs;
    else
        s->layer[p->layer] += p->macs;
    if (strstr(p->name, "table")) s->table += p->macs;
    if (strcmp(p->name, "c2p") == 0 || strcmp(p->name, "p2c") == 0) s->terms += p->macs;
    s->weightless += p->site == NULL;
}

START_TEST(products)
{
    struct sums s = {0};
    double d = 12, l = 20, e = 16;
    begin(deberta);
    model_products(f.model, l, e, collect, &s);
    ck_assert_double_eq(s.layer[0], 3 * d * d * l + 2 * l * l * d + 2 * d * d * e + 2 * l * e * d +
                                        9 * d * d * l); /* METHODS 4.1, 4.2 */
    ck_assert_double_eq(s.layer[1], s.layer[0]);
    ck_assert_double_eq(s.table, 2 * 2 * d * d * e);
    ck_assert_double_eq(s.terms, 2 * 2 * l * e * d);
    ck_assert_double_eq(s.head, d * d + 2 * d);
    ck_assert_int_eq(s.weightless, 2 * 4);
    fixture_close(&f);
    begin(bert);
    s = (struct sums){0};
    model_products(f.model, l, 0, collect, &s);
    ck_assert_double_eq(s.layer[1], 4 * d * d * l + 2 * l * l * d + 2 * 20 * d * l);
    ck_assert_int_eq(s.weightless, 2 * 2);
    fixture_close(&f);
}
END_TEST

PG_TESTS(TEST(roles), TEST(choosing), TEST(thawed_weights), TEST(store), TEST(products))
