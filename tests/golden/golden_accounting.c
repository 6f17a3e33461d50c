/* The golden case `accounting`: parameters and bit operations of a network of which only the shape is given, in words.
 * Keys say what is counted ("lora_all_r16": method, sites, rank), so any shape and any ranks are read. */
#include <math.h>
#include <string.h>
#include "bench/adapter.h"
#include "bench/bops_record.h"
#include "tests/golden/golden.h"

struct counted {
    struct check *c;
    struct model_config shape;
    struct model *model;   /* of that shape */
    double count, percent; /* tolerances: absolute for counts, relative for percentages */
};

static status read_shape(struct check *c, struct model_config *shape)
{
    const char *text = json_string_value(json_object_get(c->info, "model")), *at = text ? strchr(text, ':') : NULL;
    int rows;
    *shape = deberta_base_shape;
    FAIL_IF(!at || sscanf(at, ": d %d, FFN %d, %d layers, %d heads, %d rows, %d table rows", &shape->hidden,
                          &shape->ffn, &shape->layers, &shape->heads, &shape->vocab, &rows) != 6,
            ST_INPUT, "case.json: model is '%s', expected 'NAME: d N, FFN N, N layers, N heads, N rows, N table rows'",
            text ? text : "");
    shape->kv_heads = shape->heads;
    shape->position_buckets = rows / 2;
    return ST_OK;
}

static status number(const json_t *o, const char *key, double *v)
{
    return check_number(o, key, "case.json", v);
}

/* ---- the network ---- */

static double sum_named(const struct registry *reg, const char *part)
{
    double n = 0;
    for (int i = 0; i < reg->count; i++)
        if (reg->list[i]->cls == P_BASE && strstr(reg->list[i]->name, part)) n += (double)param_size(reg->list[i]);
    return n;
}

static status open_labels(const struct counted *a, int labels, const char *method, const char *options,
                          struct session *s)
{
    const struct adapter_info info = {.method = method, .options = options};
    struct session_spec spec = {.model = {.path = "the case's shape",
                                          .head = HEAD_CLASSIFY,
                                          .num_labels = labels,
                                          .shape = &a->shape,
                                          .train_pooler = -1},
                                .total_steps = 1000};
    void *o;
    TRY(adapter_method(&info, "case.json", &spec.method, &o, a->c->arena));
    spec.method_options = o;
    return session_open(&spec, s);
}

static status network_count(const struct counted *a, const char *key, double *got)
{
    struct session s;
    int labels = 2;
    bool total = sscanf(key, "total_labels%d", &labels) == 1, head = sscanf(key, "head_labels%d", &labels) == 1;
    TRY(open_labels(a, labels, "none", NULL, &s));
    if (total)
        *got = (double)param_count(&s.reg, P_BASE, false) + (double)param_count(&s.reg, P_HEAD, false);
    else if (head)
        *got = (double)param_count(&s.reg, P_HEAD, true);
    else if (strcmp(key, "word_embeddings") == 0)
        *got = sum_named(&s.reg, "word_embeddings");
    else if (strcmp(key, "per_layer") == 0)
        *got = sum_named(&s.reg, "encoder.layer.0.");
    else if (strcmp(key, "encoder") == 0)
        *got = sum_named(&s.reg, ".encoder.");
    else if (strcmp(key, "backbone") == 0)
        *got = (double)param_count(&s.reg, P_BASE, false);
    else
        *got = NAN;
    session_close(&s);
    return ST_OK;
}

/* ---- adapters ---- */

static double sum_ending(const struct registry *reg, const char *const *ends)
{
    double n = 0;
    for (int i = 0; i < reg->count; i++)
        for (int k = 0; ends[k]; k++) {
            const struct param *p = reg->list[i];
            size_t name = strlen(p->name), end = strlen(ends[k]);
            if (p->cls == P_ADAPTER && name >= end && strcmp(p->name + name - end, ends[k]) == 0)
                n += (double)param_size(p);
        }
    return n;
}

/* Which tensors a key counts, by the words after the rank; NULL: none known. */
static const char *const *tensors_of(const char *words)
{
    static const char *const factors[] = {"lora_A", "lora_B", NULL}, *const e[] = {"lora_E", NULL},
                             *const xi[] = {".xi", NULL}, *const phi[] = {".phi", NULL},
                             *const ranges[] = {".xmax", NULL};
    if (!*words || strcmp(words, "_without_E") == 0) return factors;
    if (strcmp(words, "_E") == 0) return e;
    if (strcmp(words, "_xi") == 0) return xi;
    if (strncmp(words, "_phi", 4) == 0) return phi;
    return strncmp(words, "_ranges", 7) == 0 ? ranges : NULL;
}

/* "lora_all_r16", "adalora_all_r3_E", "blora_qkv_r8", "blora_r8_xi", "blora_phi_without_E". */
static status adapter_count(const struct counted *a, const char *key, double *got)
{
    char method[32], word[16], sites[32] = "qkv";
    const char *words = key + strcspn(key, "_"), *options;
    int rank = 8, used = 0;
    struct session s;
    snprintf(method, sizeof method, "%.*s", (int)(words - key), key);
    if (sscanf(words, "_%15[a-z]_r%d%n", word, &rank, &used) == 2)
        snprintf(sites, sizeof sites, "%s", strcmp(word, "qv") == 0 ? "query+value" : word);
    else if (sscanf(words, "_r%d%n", &rank, &used) < 1)
        used = 0;
    words += used;
    *got = NAN;
    if (!tensors_of(words) || !method_find(method)) return ST_OK;
    bool bayesian = strcmp(method, "blora") == 0, adaptive = strcmp(method, "adalora") == 0;
    const char *form = strstr(words, "without_E") ? "form=q\n" : "form=qra\n";
    options = arena_printf(a->c->arena, "rank=%d\nsites=%s\n%s", rank, sites,
                           bayesian   ? form
                           : adaptive ? "target_rank=1\n"
                                      : "");
    if (!options) return ST_MEMORY;
    TRY(open_labels(a, 2, method, options, &s));
    *got = sum_ending(&s.reg, tensors_of(words));
    session_close(&s);
    return ST_OK;
}

static status check_counts(const struct counted *a, const char *group)
{
    const char *key;
    json_t *want;
    double got;
    json_object_foreach(json_object_get(a->c->info, group), key, want)
    {
        bool network = strcmp(group, "parameters") == 0 || strncmp(key, "head_", 5) == 0;
        TRY(network ? network_count(a, key, &got) : adapter_count(a, key, &got));
        check_measure(a->c, fabs(got - json_number_value(want)), a->count, "%s.%s", group, key);
    }
    return ST_OK;
}

/* ---- bit operations ---- */

struct summed {                        /* of the encoder */
    double macs, attention, off_table; /* at 32 bits; share of attention; without adapters on the relative table */
};

static void add_off_table(void *ctx, const struct bops_part *p)
{
    double *ops = ctx;
    size_t n = strlen(p->name);
    bool table = n > 6 && strcmp(p->name + n - 6, " table") == 0;
    if (!*p->part || !table) *ops += p->macs * p->bits[0] * p->bits[1];
}

static struct summed sum(const struct model *m, const struct bops_form *form, double l, double e)
{
    double off = 0;
    struct bops b = bops_count(m, form, l, e, add_off_table, &off);
    return (struct summed){b.encoder / 1024, b.attention / b.encoder, off / 1024};
}

static struct summed sum_lora(const struct counted *a, int rank, double l, double e)
{
    const struct bops_form form = bops_lora(&rank);
    return sum(a->model, &form, l, e);
}

/* LoRA as it would be trained: the network opened with its adapters, counted from what these report. */
static status open_lora(const struct counted *a, int rank, const char *sites, double l, double e, struct summed *n)
{
    struct session s;
    const char *options = arena_printf(a->c->arena, "rank=%d\nsites=%s\n", rank, sites);
    if (!options) return ST_MEMORY;
    TRY(open_labels(a, 2, rank ? "lora" : "none", rank ? options : NULL, &s));
    const struct session_variant v = {&s, 0};
    const struct bops_form form = bops_of_session(&v);
    *n = sum(s.model, &form, l, e);
    session_close(&s);
    return ST_OK;
}

static void check_percent(const struct counted *a, double got, double want, const char *what, const char *key, double l)
{
    check_measure(a->c, fabs(got / want - 1), a->percent, "%s %s at l = %g", what, key, l);
}

static status check_setting(const struct counted *a, const json_t *set)
{
    const char *key;
    json_t *want;
    double l, e, share;
    struct summed n;
    TRY(number(set, "l", &l));
    TRY(number(set, "e", &e));
    TRY(number(set, "attention_share_r16", &share));
    const struct summed full = sum_lora(a, BOPS_PAPER_RANK, l, e);
    check_percent(a, full.attention, share, "attention_share", "r16", l);
    json_object_foreach(json_object_get(set, "encoder_macs_per_layer"), key, want)
    {
        TRY(open_lora(a, atoi(key + 1), "qkv", l, e, &n));
        check_measure(a->c, fabs(n.macs / a->shape.layers - json_number_value(want)), a->count,
                      "encoder_macs_per_layer.%s at l = %g", key, l);
    }
    json_object_foreach(json_object_get(set, "percent_of_r16"), key, want)
    {
        n = sum_lora(a, atoi(key + 1), l, e);
        check_percent(a, 100 * n.macs / full.macs, json_number_value(want), "percent_of_r16", key, l);
    }
    json_object_foreach(json_object_get(set, "percent_of_r16_without_table_adapters"), key, want)
    {
        n = sum_lora(a, atoi(key + 1), l, e);
        check_percent(a, 100 * n.off_table / full.off_table, json_number_value(want), "without_table_adapters", key, l);
    }
    return ST_OK;
}

/* "six_module_adapters_percent_of_r16_at_20_512" */
static status check_six(const struct counted *a, const char *name, const json_t *group)
{
    const char *key, *at = strstr(name, "_at_");
    json_t *want;
    double l, e, six, qkv;
    struct summed full, n;
    FAIL_IF(!at || sscanf(at, "_at_%lf_%lf", &l, &e) != 2, ST_INPUT, "case.json: %s names no l and e", name);
    const struct summed reference = sum_lora(a, BOPS_PAPER_RANK, l, e);
    TRY(open_lora(a, BOPS_PAPER_RANK, "all", l, e, &full));
    json_object_foreach((json_t *)group, key, want)
    {
        TRY(number(want, "of_six_module_r16", &six));
        TRY(number(want, "of_qkv_r16", &qkv));
        TRY(open_lora(a, atoi(key + 1), "all", l, e, &n));
        check_percent(a, 100 * n.macs / full.macs, six, "of_six_module_r16", key, l);
        check_percent(a, 100 * n.macs / reference.macs, qkv, "of_qkv_r16", key, l);
    }
    return ST_OK;
}

/* ---- patterns of ranks and bits ---- */

static double bits_at(const json_t *bits, const char *key)
{
    const json_t *v = json_object_get(bits, key);
    return v ? json_number_value(v) : NAN;
}

static void pattern_report(const void *ctx, const struct site *site, struct site_report *r)
{
    const json_t *pattern = ctx;
    const char *key = site->role == ROLE_QUERY ? "q" : site->role == ROLE_KEY ? "k" : "v";
    if (site->role != ROLE_QUERY && site->role != ROLE_KEY && site->role != ROLE_VALUE) return;
    const json_t *bits = json_object_get(json_array_get(json_object_get(pattern, "bits"), site->layer), key);
    const json_t *rank = json_object_get(json_array_get(json_object_get(pattern, "rank"), site->layer), key);
    bool with_e = json_is_true(json_object_get(pattern, "with_E"));
    r->rank = r->rank_max = (int)json_integer_value(rank);
    r->adapter_macs_per_token = (double)r->rank * (site->in + site->out + (with_e ? 1 : 0));
    r->bits_w = bits_at(bits, "W");
    r->bits_a = bits_at(bits, "A");
    r->bits_b = bits_at(bits, "B");
    r->bits_e = with_e ? bits_at(bits, "E") : 32;
    r->bits_qa = bits_at(bits, "QA");
    r->bits_qe = bits_at(bits, with_e ? "QE" : "QA");
    r->bits_out = bits_at(bits, "Qout");
}

static status check_pattern(const struct counted *a, const json_t *pattern, size_t index)
{
    const struct bops_form form = {pattern_report, pattern};
    const json_t *want;
    size_t i;
    json_array_foreach(json_object_get(pattern, "result"), i, want)
    {
        double l, e, attention, rest, total, of_lora, of_attention;
        TRY(number(want, "l", &l));
        TRY(number(want, "e", &e));
        TRY(number(want, "adapted_attention_bops", &attention));
        TRY(number(want, "rest_bops", &rest));
        TRY(number(want, "total_bops", &total));
        TRY(number(want, "percent_of_lora_r16_32bit", &of_lora));
        TRY(number(want, "attention_percent_of_lora_r16_32bit", &of_attention));
        struct bops_ratios b = bops_compare(a->model, &form, l, e);
        check_measure(a->c, fabs(b.absolute.attention - attention), a->count, "pattern %zu, attention", index);
        check_measure(a->c, fabs(b.absolute.encoder - b.absolute.attention - rest), a->count, "pattern %zu, rest",
                      index);
        check_measure(a->c, fabs(b.absolute.encoder - total), a->count, "pattern %zu, total", index);
        check_percent(a, 100 * b.lora.encoder, of_lora, "pattern", "encoder", l);
        check_percent(a, 100 * b.lora.attention, of_attention, "pattern", "attention", l);
    }
    return ST_OK;
}

static status check_all(const struct counted *a)
{
    const json_t *o;
    json_t *group;
    const char *name;
    size_t i;
    TRY(check_counts(a, "parameters"));
    TRY(check_counts(a, "adapter_parameters"));
    json_array_foreach(json_object_get(a->c->info, "bops_32bit"), i, o) TRY(check_setting(a, o));
    json_object_foreach(a->c->info, name, group) if (strstr(name, "_percent_of_r16_at_"))
        TRY(check_six(a, name, group));
    json_array_foreach(json_object_get(a->c->info, "patterns"), i, o) TRY(check_pattern(a, o, i));
    return ST_OK;
}

status check_accounting(struct check *c, void *ctx)
{
    struct counted a = {.c = c}; /* counts are whole numbers that a double holds: no tolerance */
    struct registry reg;
    (void)ctx;
    TRY(read_shape(c, &a.shape));
    TRY(check_tolerance(c, "percent_rel", &a.percent));
    TRY(shape_open("the case's shape", &a.shape, c->arena, &reg, &a.model));
    status st = check_all(&a);
    model_close(a.model);
    return st;
}
