/* What a model folder says about its tokenizer: the JSON files, read once, and the questions asked of them. Shared by
 * the kinds of tokenizer; not for other rooms. */
#ifndef PG_DATASETS_TOKENIZER_FOLDER_H
#define PG_DATASETS_TOKENIZER_FOLDER_H

#include <jansson.h>
#include <stdbool.h>
#include "core/arena.h"
#include "core/status.h"

/* Each file may be missing: NULL. */
struct tokenizer_folder {
    const char *dir;
    struct arena *arena;
    json_t *tokenizer; /* tokenizer.json */
    json_t *settings;  /* tokenizer_config.json */
    json_t *special;   /* special_tokens_map.json */
    json_t *config;    /* config.json: the model's */
};

/* Fails when dir is no folder or one of the files is not a JSON object (file and line in the message). */
status tokenizer_folder_open(const char *dir, struct arena *, struct tokenizer_folder *);
void tokenizer_folder_close(struct tokenizer_folder *);

/* Reads dir/name, which must be a JSON object; *out is NULL when there is no such file. Ends with json_decref. */
status folder_json(const struct tokenizer_folder *, const char *name, json_t **out);

/* dir/name in the arena; NULL when out of memory. */
char *folder_path(const struct tokenizer_folder *, const char *name);
/* Whether there is a file of that name. */
status folder_has(const struct tokenizer_folder *, const char *name, bool *has);

/* The text of a special token ("cls_token", "mask_token" ...) as the folder's files name it, or NULL. */
const char *folder_special(const struct tokenizer_folder *, const char *key);

/* config.json's model_type, or "". */
const char *folder_family(const struct tokenizer_folder *);

/* Member key of a JSON object as a truth value: -1 when it is absent, null, or object is NULL. */
int json_truth(const json_t *object, const char *key);
/* As text; NULL when absent or not a string. */
const char *json_text(const json_t *object, const char *key);

#endif
