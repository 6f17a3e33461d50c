#include "bench/preset.h"

#include <string.h>
#include "core/text.h"

enum { DEPTH = 4, MAX_SETTINGS = 64 };

/* Adds the words "name=value" of one preset. */
static status read_words(const struct method *m, struct arena *arena, struct key_value *kv, int *count)
{
    char **word;
    int n;
    TRY(text_split(m->preset ? m->preset : "", ' ', arena, &word, &n));
    for (int i = 0; i < n; i++) {
        char *eq = strchr(word[i], '=');
        FAIL_IF(!eq || *count == MAX_SETTINGS, ST_INTERNAL, "method %s: its preset '%s' is not name=value words",
                m->name, m->preset);
        *eq = 0;
        kv[(*count)++] = (struct key_value){word[i], eq + 1, NULL, 0};
    }
    return ST_OK;
}

status preset_resolve(const struct method *asked, struct arena *arena, struct preset *p)
{
    const struct method *chain[DEPTH], *m = asked;
    int depth = 0;
    struct key_value *kv;
    for (; m->preset_of; m = m->preset_of) {
        FAIL_IF(depth == DEPTH, ST_INTERNAL, "method %s: presets of presets go too deep", asked->name);
        chain[depth++] = m;
    }
    *p = (struct preset){.method = m};
    NEW(kv, arena, MAX_SETTINGS);
    while (depth > 0) TRY(read_words(chain[--depth], arena, kv, &p->settings));
    p->setting = kv;
    return ST_OK;
}

const char *preset_value(const struct preset *p, const char *key)
{
    const char *value = NULL;
    for (int i = 0; i < p->settings; i++)
        if (strcmp(p->setting[i].key, key) == 0) value = p->setting[i].value;
    return value;
}

status preset_apply(const struct preset *p, const struct option *table, void *base, struct arena *arena)
{
    for (int i = 0; i < p->settings; i++)
        if (option_find(table, p->setting[i].key))
            TRY(option_set(table, base, p->setting[i].key, p->setting[i].value, "a preset", arena));
    return ST_OK;
}

status preset_options(const struct preset *p, const struct option *table, size_t size, struct arena *arena, void **base)
{
    TRY(option_new(table, size, arena, base));
    return preset_apply(p, table, *base, arena);
}
