/* Golden cases of files: the same weights in other containers, and broken files that must be refused.
 *
 * Both stand beside the configuration of their model, not in a model folder of their own; a temporary folder with links
 * to the configuration and the weights is one. */
#include "tests/golden/golden_bed.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/file.h"

/* ---- a model folder of links ------------------------------------------------------------------------------------- */

struct stage {
    char dir[PATH_MAX];
};

static status stage_link(const struct stage *s, struct arena *a, const char *file, const char *name)
{
    char *target = realpath(file, NULL), *link = path_join(a, s->dir, name);
    status st = ST_OK;
    if (!target || !link || symlink(target, link) != 0)
        st = fail(ST_IO, "%s: cannot link it into %s: %s", file, s->dir, strerror(errno));
    free(target);
    return st;
}

/* path: the weight file, or a folder whose files are all linked. */
static status stage_fill(const struct stage *s, struct arena *a, const char *config, const char *path)
{
    char **names;
    int count;
    TRY(stage_link(s, a, config, "config.json"));
    if (!file_is_dir(path)) return stage_link(s, a, path, strrchr(path, '/') + 1);
    TRY(file_list(path, NULL, a, &names, &count));
    for (int i = 0; i < count; i++) {
        const char *file = path_join(a, path, names[i]);
        if (!file) return ST_MEMORY;
        TRY(stage_link(s, a, file, names[i]));
    }
    return ST_OK;
}

static status stage_new(struct stage *s)
{
    const char *base = getenv("TMPDIR");
    int n = snprintf(s->dir, sizeof s->dir, "%s/golden-XXXXXX", base ? base : "/tmp");
    FAIL_IF(n < 0 || (size_t)n >= sizeof s->dir || !mkdtemp(s->dir), ST_IO, "%s: cannot make a temporary folder: %s",
            base ? base : "/tmp", strerror(errno));
    return ST_OK;
}

static void stage_remove(const struct stage *s, struct arena *a)
{
    char **names;
    int count;
    if (file_list(s->dir, NULL, a, &names, &count) != ST_OK) return;
    for (int i = 0; i < count; i++) {
        const char *file = path_join(a, s->dir, names[i]);
        if (file) unlink(file);
    }
    rmdir(s->dir);
}

/* What to open: the staged weight file itself, or the folder. */
static const char *staged_path(const struct stage *s, struct arena *a, const char *path)
{
    return file_is_dir(path) ? s->dir : path_join(a, s->dir, strrchr(path, '/') + 1);
}

/* ---- containers -------------------------------------------------------------------------------------------------- */

/* "f32", "f16" or "bf16": the references are for weights that were rounded to that type. */
static const char *stored_type(const struct checkpoint *ck)
{
    for (int i = 0; i < ck->count; i++)
        if (ck->tensor[i].dtype == DT_F16 || ck->tensor[i].dtype == DT_BF16)
            return ck->tensor[i].dtype == DT_F16 ? "f16" : "bf16";
    return "f32";
}

static status run_container(struct check *c, struct bed *b)
{
    const struct checkpoint *want;
    struct mat logits;
    struct tokens t;
    json_t *root;
    double loss, logits_abs, loss_abs;
    TRY(check_tensors(c, "formats/expected.safetensors", &want));
    TRY(check_json(c, "batch.json", &root));
    TRY(golden_examples(root, "batch.json", c->arena, &t));
    TRY(bed_batch(b, &t));
    TRY(check_tolerance(c, "logits_abs", &logits_abs));
    TRY(check_tolerance(c, "loss_abs", &loss_abs));
    TRY(bed_forward(b, &logits, NULL));
    TRY(model_loss(b->model, &b->pass, &logits, NULL, &loss));
    const char *type = stored_type(&b->model->ckpt);
    const char *logits_name = arena_printf(c->arena, "logits.%s", type),
               *loss_name = arena_printf(c->arena, "loss.%s", type);
    if (!logits_name || !loss_name) return ST_MEMORY;
    real loss_real = (real)loss;
    TRY(check_values(c, want, logits_name, logits.a, (size_t)logits.rows * (size_t)logits.cols, DISTANCE_ABS,
                     logits_abs));
    return check_values(c, want, loss_name, &loss_real, 1, DISTANCE_ABS, loss_abs);
}

status check_container(struct check *c, void *ctx)
{
    const char *path = ctx, *config = check_path(c, "config.json");
    struct stage s;
    struct bed b = {0};
    if (!config) return ST_MEMORY;
    TRY(stage_new(&s));
    status st = stage_fill(&s, c->arena, config, path);
    const char *staged = staged_path(&s, c->arena, path);
    if (st == ST_OK) st = staged ? bed_open(&b, staged, HEAD_CLASSIFY) : ST_MEMORY;
    if (st == ST_OK) st = run_container(c, &b);
    bed_close(&b);
    stage_remove(&s, c->arena);
    return st;
}

/* ---- broken files ------------------------------------------------------------------------------------------------ */

/* Opens the file alone; when it is well formed, opens a model with it. A good refusal names the file. */
static status try_open(struct check *c, const char *path, const char *config)
{
    struct checkpoint ck;
    struct stage s;
    struct bed b = {0};
    status st = checkpoint_open(path, c->arena, &ck);
    if (st != ST_OK) return st;
    checkpoint_close(&ck);
    TRY(stage_new(&s));
    st = stage_fill(&s, c->arena, config, path);
    const char *staged = staged_path(&s, c->arena, path);
    if (st == ST_OK) st = staged ? bed_open(&b, staged, HEAD_CLASSIFY) : ST_MEMORY;
    bed_close(&b);
    stage_remove(&s, c->arena);
    return st;
}

status check_broken(struct check *c, void *ctx)
{
    const char *path = ctx, *name = strrchr(path, '/') + 1, *config = check_path(c, "config.json");
    if (!config) return ST_MEMORY;
    status st = try_open(c, path, config);
    if (st == ST_OK) {
        check_say(c, false, "it was accepted");
        return ST_OK;
    }
    const char *message = status_message();
    bool proper = (st == ST_INPUT || st == ST_UNSUPPORTED) && strstr(message, name);
    const char *place = strstr(message, name); /* without the folder: the same line on every machine */
    check_say(c, proper, "refused: %s", place ? place : message);
    return ST_OK;
}
