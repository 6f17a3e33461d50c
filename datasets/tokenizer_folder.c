/* The JSON files of a model folder (see tokenizer_folder.h). */
#include "datasets/tokenizer_folder.h"

#include <stdio.h>
#include "core/file.h"

char *folder_path(const struct tokenizer_folder *f, const char *name)
{
    return path_join(f->arena, f->dir, name);
}

status folder_has(const struct tokenizer_folder *f, const char *name, bool *has)
{
    char path[4096]; /* PATH_MAX: no file has a longer one */
    int there = 0, is_dir = 0, n = snprintf(path, sizeof path, "%s/%s", f->dir, name);
    if (n < (int)sizeof path) TRY(file_ask(path, &there));
    if (there) TRY(file_ask_dir(path, &is_dir));
    *has = there && !is_dir;
    return ST_OK;
}

status folder_json(const struct tokenizer_folder *f, const char *name, json_t **out)
{
    *out = NULL;
    char *path = folder_path(f, name);
    if (!path) return ST_MEMORY;
    int there;
    TRY(file_ask(path, &there));
    if (!there) return ST_OK;
    struct file_map map;
    TRY(file_map(path, &map));
    json_error_t error;
    json_t *root = json_loadb((const char *)map.data, map.size, JSON_ALLOW_NUL, &error);
    file_unmap(&map);
    FAIL_IF(!root, ST_INPUT, "%s:%d: not valid JSON: %s", path, error.line, error.text);
    if (!json_is_object(root)) {
        json_decref(root);
        return fail(ST_INPUT, "%s: the file should hold one JSON object", path);
    }
    *out = root;
    return ST_OK;
}

status tokenizer_folder_open(const char *dir, struct arena *arena, struct tokenizer_folder *f)
{
    *f = (struct tokenizer_folder){.dir = dir, .arena = arena};
    int is_dir;
    TRY(file_ask_dir(dir, &is_dir));
    FAIL_IF(!is_dir, ST_INPUT, "%s: there is no such folder to take a tokenizer from", dir);
    status st = folder_json(f, "tokenizer.json", &f->tokenizer);
    if (st == ST_OK) st = folder_json(f, "tokenizer_config.json", &f->settings);
    if (st == ST_OK) st = folder_json(f, "special_tokens_map.json", &f->special);
    if (st == ST_OK) st = folder_json(f, "config.json", &f->config);
    if (st != ST_OK) tokenizer_folder_close(f);
    return st;
}

void tokenizer_folder_close(struct tokenizer_folder *f)
{
    json_decref(f->tokenizer);
    json_decref(f->settings);
    json_decref(f->special);
    json_decref(f->config);
    f->tokenizer = f->settings = f->special = f->config = NULL;
}

/* A token is written as its text or as an object with the text as "content". */
static const char *token_text(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_is_object(v) ? json_text(v, "content") : json_string_value(v);
}

const char *folder_special(const struct tokenizer_folder *f, const char *key)
{
    const char *text = token_text(f->settings, key);
    return text ? text : token_text(f->special, key);
}

const char *folder_family(const struct tokenizer_folder *f)
{
    const char *family = json_text(f->config, "model_type");
    return family ? family : "";
}

int json_truth(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_is_boolean(v) ? json_is_true(v) : -1;
}

const char *json_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}
