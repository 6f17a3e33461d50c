#include "bench/bench_compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/paths.h"
#include "bench/spawn.h"
#include "core/file.h"
#include "core/jsonfile.h"
#include "core/parallel.h"

/* ---- calling the script ---- */

/* Calls the script with these words behind its name and reads what it wrote. */
static status call(const struct compare *c, const char *key, const char *value, struct arena *arena, json_t **out)
{
    char words[600];
    int code;
    const char *error = NULL, *file = arena_printf(arena, "%s/compare_hf.%ld.out", c->folder, (long)getpid());
    if (!file) return ST_MEMORY;
    char *word[] = {(char *)c->python, (char *)c->script, "--out", (char *)file, (char *)key, (char *)value, NULL};
    TRY(file_make_dirs(c->folder));
    TRY(file_remove(file));
    TRY(spawn_program(NULL, word, words, sizeof words, &code));
    FAIL_IF(code == SPAWN_NO_PROGRAM, ST_UNSUPPORTED, "--compare-hf: there is no program '%s'", c->python);
    FAIL_IF(!file_exists(file), ST_UNSUPPORTED, "--compare-hf: '%s' could not run %s (exit code %d): %s", c->python,
            c->script, code, *words ? words : "it gave no reason");
    status st = jsonfile_read(file, 1 << 20, out);
    file_remove(file);
    TRY(st);
    st = jsonfile_string(file, *out, "error", &error);
    if (st == ST_OK && error) st = fail(ST_UNSUPPORTED, "--compare-hf %s: %s", c->python, error);
    if (st != ST_OK) json_decref(*out);
    return st;
}

status compare_open(const char *python, const char *script, int batches, const char *folder, struct arena *arena,
                    struct compare *c)
{
    json_t *answer;
    const char *versions = "";
    FAIL_IF(!folder, ST_USAGE, "--compare-hf needs a folder for its files: give --cache");
    *c = (struct compare){.folder = folder, .batches = batches, .script = script};
    TRY(path_expand(python, arena, &c->python));
    if (!script) TRY(tool_find("compare_hf.py", arena, &c->script));
    TRY(call(c, "--check", NULL, arena, &answer));
    status st = jsonfile_string("the script's answer", answer, "versions", &versions);
    c->versions = arena_strdup(arena, versions);
    json_decref(answer);
    return st != ST_OK || c->versions ? st : ST_MEMORY;
}

status compare_run(const struct compare *c, const json_t *work, struct arena *arena, struct compared *out)
{
    json_t *answer = NULL;
    const char *file = arena_printf(arena, "%s/compare_hf.%ld.work", c->folder, (long)getpid());
    char *text = json_dumps(work, JSON_COMPACT);
    *out = (struct compared){0};
    status st = file && text ? file_write_atomic(file, text, strlen(text)) : ST_MEMORY;
    if (st == ST_OK) st = call(c, "--work", file, arena, &answer);
    if (file) file_remove(file);
    free(text);
    TRY(st);
    const json_t *seconds = json_object_get(answer, "seconds");
    for (size_t i = 0; i < json_array_size(seconds); i++) out->seconds += json_number_value(json_array_get(seconds, i));
    st = jsonfile_real("the script's answer", answer, "peak_bytes", 0, INFINITY, &out->peak_bytes);
    json_decref(answer);
    FAIL_IF(st == ST_OK && !(out->seconds > 0), ST_UNSUPPORTED, "--compare-hf %s: the script timed nothing", c->python);
    return st;
}

/* ---- its work ---- */

bool compare_knows(const struct cell *c)
{
    static const char *const known[] = {"lora", "full_ft", "none"};
    bool method = false;
    for (int i = 0; i < 3; i++) method = method || strcmp(c->method->name, known[i]) == 0;
    bool floats = strcmp(c->store->name, "f32") == 0 && c->train.precision != PRECISION_DFP;
    return method && floats && c->task->kind == TASK_CLASSES;
}

static json_t *rows_of(const struct batch *b, const int32_t *value)
{
    json_t *rows = json_array();
    for (int i = 0; i < b->n; i++) {
        json_t *row = json_array();
        for (int t = b->offset[i]; t < b->offset[i + 1]; t++) json_array_append_new(row, json_integer(value[t]));
        json_array_append_new(rows, row);
    }
    return rows;
}

status compare_note(json_t *batches, const struct batch *b)
{
    json_t *o =
        json_pack("{s:o, s:o}", "ids", rows_of(b, b->ids), "types", b->types ? rows_of(b, b->types) : json_null());
    FAIL_IF(!o || json_array_append_new(batches, o) != 0, ST_MEMORY, "out of memory for the batches of the comparison");
    return ST_OK;
}

static json_t *site_names(const struct session *s)
{
    json_t *names = json_array();
    for (int i = 0; s->run.chosen && i < s->run.sites; i++)
        if (s->run.chosen[i]) json_array_append_new(names, json_string(s->run.site[i]->name));
    return names;
}

/* A number among the method's options; 0 when it has no such option. */
static double option_number(const struct cell *c, const char *name)
{
    char text[64];
    const struct option *o = c->method->options ? option_find(c->method->options, name) : NULL;
    if (!o) return 0;
    option_text(o, c->method_options, text, sizeof text);
    return strtod(text, NULL);
}

status compare_work(const struct cell *c, const struct session *s, const char *phase, json_t *batches, json_t **work)
{
    *work = json_pack("{s:s, s:i, s:i, s:s, s:s, s:o, s:i, s:f, s:f, s:s, s:i, s:f, s:O}", "model", c->model_path,
                      "labels", s->model->num_labels, "threads", parallel_threads(), "phase", phase, "method",
                      c->method->name, "sites", site_names(s), "rank", (int)option_number(c, "rank"), "alpha",
                      option_number(c, "alpha"), "dropout", option_number(c, "dropout"), "precision", s->arith->name,
                      "micro_batch", c->train.micro_batch, "clip", c->train.clip, "batches", batches);
    FAIL_IF(!*work, ST_MEMORY, "out of memory for the batches of the comparison");
    return ST_OK;
}
