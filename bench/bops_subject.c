#include "bench/bops_subject.h"

#include <math.h>
#include <string.h>
#include "bench/adapter.h"
#include "bench/cell_data.h"
#include "bench/cli.h"
#include "bench/paths.h"
#include "bench/preset.h"
#include "core/file.h"
#include "core/text.h"

/* ---- networks ---- */

status shape_find(const char *written, const char *ini_dir, struct arena *arena, struct model_config *shape)
{
    const char *path, *slash = strrchr(written, '/');
    status st = model_find(written, ini_dir, arena, &path);
    if (st == ST_OK) return model_config_read(path, arena, shape);
    if (strcmp(slash ? slash + 1 : written, "deberta-v3-base") != 0) return st;
    *shape = deberta_base_shape;
    return ST_OK;
}

static status open_subject(struct bops_subject *s, const char *name, const struct model_config *shape)
{
    TRY(shape_open(name, shape, s->arena, &s->reg, &s->model));
    s->forms.layers = s->forms.onto = s->model->config.layers;
    return ST_OK;
}

void bops_subject_close(struct bops_subject *s)
{
    model_close(s->model);
    s->model = NULL;
}

status bops_add_setting(struct bops_subject *s, const char *name, double length, double rows)
{
    FAIL_IF(s->settings == BOPS_SETTINGS_MAX, ST_INTERNAL, "more than %d settings to count in", BOPS_SETTINGS_MAX);
    s->setting[s->settings++] = (struct bops_setting){name, length, rows};
    return ST_OK;
}

/* ---- storage ---- */

static void tile_zeros(const struct wsrc *w, int r0, int nr, int c0, int nc, real *dst, int ld)
{
    (void)w, (void)r0, (void)c0;
    for (int r = 0; r < nr; r++) memset(dst + (size_t)r * (size_t)ld, 0, sizeof *dst * (size_t)nc);
}

status bops_storage_bits(const struct bops_subject *s, int rows, int cols, double *bits)
{
    const struct wsrc zeros = {.rows = rows, .cols = cols, .tile = tile_zeros, .bits = 32};
    const void *options = s->store_options;
    void *defaults = NULL;
    struct wsrc kept = zeros;
    struct arena_mark mark = arena_mark(s->arena);
    status st = ST_OK;
    if (!options) {
        st = option_new(s->store->options, s->store->option_size, s->arena, &defaults);
        options = defaults;
    }
    if (st == ST_OK) st = s->store->build(options, &zeros, s->arena, &kept);
    *bits = kept.bits;
    arena_reset(s->arena, mark);
    return st;
}

/* ---- a method on a network, as it starts ---- */

/* More steps than any run: options that count steps must fit. */
enum { MANY_STEPS = 1 << 30 };

static status forms_of_method(struct bops_subject *s, const char *name, const struct model_config *shape,
                              const struct method *method, const void *options)
{
    struct session session;
    const struct session_spec spec = {.model = {.path = name,
                                                .head = HEAD_CLASSIFY,
                                                .num_labels = 2,
                                                .shape = shape,
                                                .cls_dropout = -1,
                                                .hidden_dropout = -1,
                                                .attn_dropout = -1,
                                                .train_pooler = -1},
                                      .method = method,
                                      .method_options = options,
                                      .arith = s->arith,
                                      .arith_options = s->arith_options,
                                      .total_steps = MANY_STEPS};
    s->forms = (struct site_forms){0};
    if (!method->report && !s->arith->operand_bits) return ST_OK; /* no product is changed */
    TRY(session_open(&spec, &session));
    status st = session_forms(&session, 0, s->arena, &s->forms);
    session_close(&session);
    return st;
}

static status open_method(struct bops_subject *s, const char *model, const struct model_config *shape,
                          const struct method *method, const void *options)
{
    TRY(forms_of_method(s, model, shape, method, options));
    TRY(open_subject(s, model, shape));
    return bops_add_setting(s, "paper", BOPS_PAPER_LENGTH, model_table_rows(s->model));
}

/* ---- METHOD NAME=VALUE... ---- */

struct option_structs { /* what the words set */
    void *method, *store, *arith;
};

static status set_option(struct bops_subject *s, const struct preset *p, const struct option_structs *o,
                         const char *word)
{
    const char *eq = strchr(word, '=');
    FAIL_IF(!eq || eq == word, ST_USAGE, "'%s' is no option: expected NAME=VALUE", word);
    const char *name = arena_printf(s->arena, "%.*s", (int)(eq - word), word);
    if (!name) return ST_MEMORY;
    if (strcmp(name, "store") == 0 || strcmp(name, "precision") == 0) return ST_OK;
    const struct option *table = p->method->options;
    void *to = o->method;
    if (!option_find(table, name) && option_find(s->store->options, name)) {
        table = s->store->options;
        to = o->store;
    } else if (option_find(s->arith->options, name)) {
        table = s->arith->options;
        to = o->arith;
    }
    return option_set(table, to, name, eq + 1, "command line", s->arena);
}

static status choose_store(struct bops_subject *s, const struct preset *p, char **word, int count)
{
    const char *name = preset_value(p, "store"), *names[64];
    int n = 0;
    for (int i = 0; i < count; i++)
        if (strncmp(word[i], "store=", 6) == 0) name = word[i] + 6;
    s->store = store_find(name ? name : "f32");
    if (s->store) return ST_OK;
    for (const struct store *const *t = store_table; *t && n < 64; t++) names[n++] = (*t)->name;
    return cli_unknown("", "store", name, names, n);
}

static status choose_arith(struct bops_subject *s, const struct preset *p, char **word, int count)
{
    const char *name = preset_value(p, "precision");
    for (int i = 0; i < count; i++)
        if (strncmp(word[i], "precision=", 10) == 0) name = word[i] + 10;
    return arith_choose(name ? name : arith_f32.name, &s->arith);
}

status bops_of_method(const char *name, char **word, int count, const char *model, struct arena *arena,
                      struct bops_subject *s)
{
    const struct method *asked = method_find(name);
    const char *names[256], *all = "";
    struct preset preset;
    struct model_config shape;
    struct option_structs o;
    int n = 0;
    *s = (struct bops_subject){.arena = arena};
    for (const struct method *const *t = method_table; *t && n < 256; t++) names[n++] = (*t)->name;
    if (!asked) return cli_unknown("", "method, record or experiment", name, names, n);
    TRY(preset_resolve(asked, arena, &preset));
    TRY(choose_store(s, &preset, word, count));
    TRY(choose_arith(s, &preset, word, count));
    TRY(preset_options(&preset, preset.method->options, preset.method->option_size, arena, &o.method));
    TRY(preset_options(&preset, s->store->options, s->store->option_size, arena, &o.store));
    TRY(preset_options(&preset, s->arith->options, s->arith->option_size, arena, &o.arith));
    for (int i = 0; i < count && all; i++) {
        TRY(set_option(s, &preset, &o, word[i]));
        all = arena_printf(arena, "%s %s", all, word[i]);
    }
    TRY(shape_find(model, ".", arena, &shape));
    s->store_options = o.store;
    s->arith_options = o.arith;
    s->title = all ? arena_printf(arena, "%s%s on %s, as it starts", name, all, model) : NULL;
    if (!s->title) return ST_MEMORY;
    return open_method(s, model, &shape, preset.method, o.method);
}

/* ---- EXPERIMENT ROW ---- */

static status find_cell(const struct experiment *e, const char *row, const char *task, const struct cell **out)
{
    const char *rows[512], *tasks[512];
    int n = 0, k = 0;
    *out = NULL;
    for (int i = 0; i < e->cells && !*out; i++) {
        const struct cell *c = &e->cell[i];
        if (n < 512 && (n == 0 || strcmp(rows[n - 1], c->row) != 0)) rows[n++] = c->row;
        if (*row && strcmp(row, c->row) != 0) continue;
        if (k < 512 && (k == 0 || strcmp(tasks[k - 1], c->task->name) != 0)) tasks[k++] = c->task->name;
        if (!*task || strcmp(task, c->task->name) == 0) *out = c;
    }
    if (*out) return ST_OK;
    return k == 0 ? cli_unknown(e->path, "row", row, rows, n) : cli_unknown(e->path, "task", task, tasks, k);
}

status bops_of_experiment(const char *path, const char *row, const char *task, struct arena *arena,
                          struct bops_subject *s)
{
    struct experiment e;
    struct model_config shape;
    const struct cell *c;
    *s = (struct bops_subject){.arena = arena};
    TRY(experiment_read(path, arena, &e));
    TRY(find_cell(&e, row, task, &c));
    TRY(shape_find(e.model, e.model_folder, arena, &shape));
    s->store = c->store;
    s->store_options = c->store_options;
    s->arith = train_arith(&c->train);
    s->arith_options = c->arith_options;
    s->title = arena_printf(arena, "%s of %s on %s, as it starts", c->row, e.name, e.model);
    if (!s->title) return ST_MEMORY;
    TRY(open_method(s, e.model, &shape, c->method, c->method_options));
    return bops_add_setting(s, "max_length", cell_max_len(c), model_table_rows(s->model));
}

/* ---- RUN.h5 ---- */

struct columns { /* of the last time of a trace; NULL: absent */
    const int64_t *rank, *rank_max;
    const double *macs, *bits, *stored;
};

static const struct record_item *find(const struct record *r, const char *pattern, const char *name)
{
    char path[RECORD_PATH];
    return record_path(path, pattern, name, NULL) == ST_OK ? record_get(r, path) : NULL;
}

static status last_columns(const struct record *r, const char *variant, size_t sites, struct columns *c)
{
    const struct record_item *rank = find(r, "trace/{}/rank", variant), *most = find(r, "trace/{}/rank_max", variant);
    const struct record_item *macs = find(r, "trace/{}/macs", variant), *bits = find(r, "trace/{}/bits", variant);
    FAIL_IF(!rank || !most || !bits || rank->dim[1] != sites || most->dim[1] != sites || bits->dim[1] != sites ||
                bits->dim[2] != 8 || rank->dim[0] == 0 || most->dim[0] != rank->dim[0] || bits->dim[0] != rank->dim[0],
            ST_INPUT, "the record's traces of the form '%s' do not fit together", *variant ? variant : RECORD_MAIN);
    size_t last = rank->dim[0] - 1;
    *c = (struct columns){
        .rank = rank->v.i + last * sites, .rank_max = most->v.i + last * sites, .bits = bits->v.d + last * sites * 8};
    if (macs && macs->dim[0] == rank->dim[0] && macs->dim[1] == sites) c->macs = macs->v.d + last * sites;
    const struct record_item *stored = find(r, "trace/{}/bits_stored", variant);
    if (stored && stored->dim[0] == rank->dim[0] && stored->dim[1] == sites) c->stored = stored->v.d + last * sites;
    return ST_OK;
}

static struct site_report report_at(const struct columns *c, size_t i, const struct site *site)
{
    const double *b = c->bits + 8 * i;
    struct site_report r = {.rank = (int)c->rank[i],
                            .rank_max = (int)c->rank_max[i],
                            .bits_w = b[0],
                            .bits_x = b[1],
                            .bits_a = b[2],
                            .bits_b = b[3],
                            .bits_e = b[4],
                            .bits_qa = b[5],
                            .bits_qe = b[6],
                            .bits_out = b[7],
                            .bits_stored = c->stored ? c->stored[i] : 0};
    /* Records from before there was such a column are of methods with A and B alone. */
    r.adapter_macs_per_token = c->macs ? c->macs[i] : (double)r.rank * (site->in + site->out);
    return r;
}

static const struct site *site_named(const struct model *m, const char *name)
{
    for (int i = 0; i < m->sites; i++)
        if (strcmp(m->site[i]->name, name) == 0) return m->site[i];
    return NULL;
}

static status read_forms(const struct record *r, const char *variant, struct bops_subject *s)
{
    const struct record_item *names = record_get(r, "trace/sites");
    struct columns c = {0};
    if (!names) return ST_OK; /* the method puts nothing on sites */
    TRY(last_columns(r, variant, names->n, &c));
    NEW(s->forms.form, s->arena, names->n + 1);
    for (size_t i = 0; i < names->n; i++) {
        const struct site *site = site_named(s->model, names->v.ss[i]);
        FAIL_IF(!site, ST_INPUT, "the record's layer '%s' is not part of its model", names->v.ss[i]);
        s->forms.form[s->forms.count++] =
            (struct site_form){site->layer, site->in, site->out, site->role, site->kind, report_at(&c, i, site)};
    }
    return ST_OK;
}

static status read_settings(const struct record *r, struct bops_subject *s)
{
    const struct record_item *name = record_get(r, "bops/settings"), *l = record_get(r, "bops/lengths");
    for (size_t i = 0; name && l && i < name->n && i < l->n && i < BOPS_SETTINGS_MAX - 1; i++)
        TRY(bops_add_setting(s, name->v.ss[i], l->v.d[i], model_table_rows(s->model)));
    return ST_OK;
}

/* The form asked for, or the only or first one there is. */
static status choose_variant(const struct record *r, const char *asked, const char **variant)
{
    const char *names[SESSION_MAX_VARIANTS], *first = NULL;
    int n = 0;
    for (int i = 0; i < r->count && n < SESSION_MAX_VARIANTS; i++) {
        const char *p = r->item[i].path;
        if (strncmp(p, "parameters/deployed/", 20) == 0) names[n++] = p + 20;
    }
    for (int i = 0; i < n; i++) {
        if (*asked && strcmp(names[i], asked) == 0) first = names[i];
        if (!*asked && (!first || strverscmp(names[i], first) > 0)) first = names[i];
    }
    if (*asked && !first) return cli_unknown("", "form of the run", asked, names, n);
    *variant = first ? first : RECORD_MAIN;
    return ST_OK;
}

static status read_store(const struct record *r, struct bops_subject *s)
{
    const char *name = record_get_string(r, "run/store", "f32");
    s->store = store_find(name);
    FAIL_IF(!s->store, ST_UNSUPPORTED, "this build has no store '%s'", name);
    void *o;
    TRY(option_new(s->store->options, s->store->option_size, s->arena, &o));
    for (const struct option *t = s->store->options; t && t->name; t++) {
        char path[RECORD_PATH];
        snprintf(path, sizeof path, "config/store.%s", t->name);
        const char *value = record_get_string(r, path, NULL);
        if (value) TRY(option_set(s->store->options, o, t->name, value, path, s->arena));
    }
    s->store_options = o;
    return ST_OK;
}

static status fill_from_record(const struct record *r, const char *variant, struct bops_subject *s)
{
    const char *model = record_get_string(r, "run/model", "");
    struct model_config shape;
    bool told;
    TRY(read_store(r, s));
    TRY(shape_of_record(r, &shape, &told));
    if (!told) TRY(shape_find(model, ".", s->arena, &shape));
    TRY(open_subject(s, model, &shape));
    TRY(read_settings(r, s));
    return read_forms(r, variant, s);
}

status bops_of_record(const char *path, const char *asked, struct arena *arena, struct bops_subject *s)
{
    struct record r;
    const char *variant;
    *s = (struct bops_subject){.arena = arena};
    TRY(record_read(path, arena, &r));
    FAIL_IF(strcmp(record_get_string(&r, "run/status", ""), "ok") != 0, ST_INPUT, "%s: this run has no result", path);
    TRY(choose_variant(&r, asked, &variant));
    bool plain = strcmp(variant, RECORD_MAIN) == 0;
    s->title =
        arena_printf(arena, "%s%s%s on %s, task %s, seed %.0f, as it ended", record_get_string(&r, "run/row", ""),
                     plain ? "" : " ", plain ? "" : variant, record_get_string(&r, "run/model", ""),
                     record_get_string(&r, "run/task", ""), record_get_real(&r, "run/seed", 0));
    if (!s->title) return ST_MEMORY;
    status st = fill_from_record(&r, variant, s);
    if (st != ST_OK) {
        bops_subject_close(s);
        return fail_in(st, "%s", path);
    }
    return ST_OK;
}

/* ---- for tables ---- */

/* Rows of deberta_base: absolute, relative, of_lora16, of_unquantised. */
static bool take_recorded(const struct record *r, const char *variant, struct run_bops *out)
{
    const struct record_item *base = find(r, "bops/{}/deberta_base", variant),
                             *here = find(r, "bops/{}/of_lora16", variant);
    if (!base || base->dim[0] != 4 || base->dim[1] != 2 || !here || here->dim[0] != 3 || here->dim[1] != 2)
        return false;
    out->base.encoder = base->v.d[4];
    out->base.attention = base->v.d[5];
    out->own.encoder = base->v.d[6];
    out->own.attention = base->v.d[7];
    out->here.encoder = here->v.d[4];
    out->here.attention = here->v.d[5];
    return true;
}

static status count_anew(const struct bops_subject *s, struct run_bops *out)
{
    const struct bops_form form = bops_carried(&s->forms);
    struct registry reg;
    struct model *base;
    struct site_forms carried = s->forms;
    for (int i = 0; i < s->settings; i++) {
        if (strcmp(s->setting[i].name, "mean_length") != 0) continue;
        struct bops here = bops_compare(s->model, &form, s->setting[i].length, s->setting[i].rows).lora;
        out->here.encoder = here.encoder;
        out->here.attention = here.attention;
    }
    if (!shape_is_encoder(&s->model->config)) return ST_OK;
    TRY(shape_open("deberta-v3-base", &deberta_base_shape, s->arena, &reg, &base));
    carried.onto = base->config.layers;
    const struct bops_form on_base = bops_carried(&carried);
    struct bops_ratios b = bops_compare(base, &on_base, BOPS_PAPER_LENGTH, model_table_rows(base));
    out->base.encoder = b.lora.encoder;
    out->base.attention = b.lora.attention;
    out->own.encoder = b.unquantised.encoder;
    out->own.attention = b.unquantised.attention;
    model_close(base);
    return ST_OK;
}

status run_bops_take(const struct record *r, const char *variant, struct run_bops *out)
{
    *out = (struct run_bops){{NAN, NAN}, {NAN, NAN}, {NAN, NAN}};
    if (take_recorded(r, variant, out)) return ST_OK;
    struct bops_subject s = {.arena = arena_new("bit operations of a record")};
    if (!s.arena) return ST_MEMORY;
    status st = fill_from_record(r, variant, &s);
    if (st == ST_OK) st = count_anew(&s, out);
    bops_subject_close(&s);
    arena_free(s.arena);
    return st == ST_MEMORY ? st : ST_OK;
}
