/* The golden runner's main(): folders, lines, sums. See golden.h. */
#include "tests/golden/golden.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "core/file.h"
#include "core/parallel.h"
#include "core/text.h"

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static void print_line(struct suite *s, const struct check *c, status st)
{
    if (st != ST_OK) {
        printf("FAIL %s: %s: %s\n", c->name, status_name(st), status_message());
        s->failed++;
    } else if (c->skip) {
        printf("SKIP %s: %s\n", c->name, c->text);
        s->skipped++;
    } else if (c->measured == 0) {
        printf("FAIL %s: nothing was compared\n", c->name);
        s->failed++;
    } else {
        printf("%s %s: ", c->failed ? "FAIL" : "PASS", c->name);
        if (c->text[0])
            printf("%s\n", c->text);
        else
            printf("worst error %.3g, tolerance %.3g (%s)\n", c->error, c->tolerance, c->what);
        if (c->failed)
            s->failed++;
        else
            s->passed++;
    }
    fflush(stdout);
}

static status run(struct check *c, check_fn *fn, void *ctx)
{
    const char *path = path_join(c->arena, c->dir, "case.json");
    if (!path) return ST_MEMORY;
    if (file_exists(path)) TRY(check_json(c, "case.json", &c->info));
    return fn(c, ctx);
}

void suite_run(struct suite *s, const char *name, const char *dir, check_fn *fn, void *ctx)
{
    struct check c = {.arena = s->arena, .root = s->root, .dir = dir, .name = name};
    struct arena_mark mark = arena_mark(s->arena);
    status st = run(&c, fn, ctx);
    print_line(s, &c, st);
    for (int i = 0; i < c.jsons; i++) json_decref(c.json[i]);
    for (int i = 0; i < c.checkpoints; i++) checkpoint_close(&c.tensors[i]);
    arena_reset(s->arena, mark);
}

/* ---- verdicts ---------------------------------------------------------------------------------------------------- */

status check_skip(struct check *c, const char *why, ...)
{
    va_list ap;
    va_start(ap, why);
    vsnprintf(c->text, sizeof c->text, why, ap);
    va_end(ap);
    c->skip = true;
    return ST_OK;
}

void check_measure(struct check *c, double error, double tolerance, const char *what, ...)
{
    bool first = c->measured++ == 0, bad = !(error <= tolerance);
    double was = c->tolerance > 0 ? c->error / c->tolerance : 0, is = tolerance > 0 ? error / tolerance : 0;
    bool worse = bad ? !c->failed || isnan(error) || is > was : !c->failed && is >= was;
    c->failed |= bad;
    if (!first && !worse) return;
    va_list ap;
    va_start(ap, what);
    vsnprintf(c->what, sizeof c->what, what, ap);
    va_end(ap);
    c->error = error;
    c->tolerance = tolerance;
}

void check_say(struct check *c, bool good, const char *text, ...)
{
    va_list ap;
    va_start(ap, text);
    vsnprintf(c->text, sizeof c->text, text, ap);
    va_end(ap);
    c->measured++;
    c->failed |= !good;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

const char *check_path(struct check *c, const char *file)
{
    return path_join(c->arena, c->dir, file);
}

const char *check_input(const struct check *c, const char *name)
{
    size_t i;
    const json_t *file;
    json_array_foreach(json_object_get(c->info, "inputs"), i, file)
    {
        const char *s = json_string_value(file), *base = s ? strrchr(s, '/') : NULL;
        if (s && text_match(name, base ? base + 1 : s)) return s;
    }
    return NULL;
}

status check_json(struct check *c, const char *file, json_t **root)
{
    const char *path = check_path(c, file);
    if (!path) return ST_MEMORY;
    FAIL_IF(c->jsons == CHECK_FILES, ST_INTERNAL, "%s: too many open files", path);
    TRY(jsonfile_read(path, (size_t)1 << 28, root));
    c->json[c->jsons++] = *root;
    return ST_OK;
}

status check_tensors(struct check *c, const char *file, const struct checkpoint **out)
{
    const char *path = check_path(c, file);
    if (!path) return ST_MEMORY;
    FAIL_IF(c->checkpoints == CHECK_FILES, ST_INTERNAL, "%s: too many open files", path);
    TRY(checkpoint_open(path, c->arena, &c->tensors[c->checkpoints]));
    *out = &c->tensors[c->checkpoints++];
    return ST_OK;
}

/* ---- main -------------------------------------------------------------------------------------------------------- */

static status run_folder(struct suite *s, const char *folder, status (*fn)(struct suite *))
{
    char *path = path_join(s->arena, s->root, folder);
    if (!path) return ST_MEMORY;
    return file_is_dir(path) ? fn(s) : ST_OK;
}

static status run_all(struct suite *s)
{
    FAIL_IF(!file_is_dir(s->root), ST_USAGE, "%s: no such folder", s->root);
    TRY(run_folder(s, "models", golden_models));
    TRY(run_folder(s, "methods", golden_methods));
    return run_folder(s, "tokenizers", golden_tokenizers);
}

int main(int argc, char **argv)
{
    struct suite s = {.root = argc == 2 ? argv[1] : NULL};
    if (!s.root) {
        fprintf(stderr, "usage: golden DIR\n");
        return ST_USAGE;
    }
    notice_quiet(1);         /* skipped tensors are part of several cases */
    parallel_set_threads(1); /* models of a few rows: starting a team costs more than the work */
    s.arena = arena_new("golden case");
    status st = s.arena ? run_all(&s) : ST_MEMORY;
    arena_free(s.arena);
    if (st != ST_OK) {
        fprintf(stderr, "golden: %s\n", status_message());
        return st;
    }
    if (s.passed + s.failed + s.skipped == 0) {
        fprintf(stderr, "golden: %s: no cases: expected models, methods or tokenizers\n", s.root);
        return ST_USAGE;
    }
    printf("%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped);
    return s.failed > 0;
}
