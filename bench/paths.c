#include "bench/paths.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench/cli.h"
#include "core/file.h"
#include "core/text.h"

char *path_folder(struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return arena_strdup(arena, ".");
    return arena_printf(arena, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

/* The variable at p ("NAME..." or "{NAME}..."): puts its value, returns the characters taken, 0 when there is no name.
 */
static size_t variable(const char *p, struct text *out, status *st)
{
    int braces = *p == '{';
    const char *name = p + braces;
    size_t n = 0;
    while (isalnum((unsigned char)name[n]) || name[n] == '_') n++;
    if (n == 0 || n > 200 || (braces && name[n] != '}')) return 0;
    char key[201];
    memcpy(key, name, n);
    key[n] = 0;
    const char *value = getenv(key);
    *st = value ? text_put(out, value) : fail(ST_USAGE, "the environment variable %s is not set", key);
    return n + 2 * (size_t)braces;
}

status path_expand(const char *s, struct arena *arena, const char **out)
{
    struct text t = {0};
    status st = text_put(&t, "");
    const char *home = getenv("HOME");
    if (s[0] == '~' && (s[1] == '/' || !s[1]) && home && st == ST_OK) {
        st = text_put(&t, home);
        s++;
    }
    while (*s && st == ST_OK) {
        size_t used = *s == '$' ? variable(s + 1, &t, &st) : 0;
        if (used)
            s += used + 1;
        else
            st = text_add(&t, s++, 1);
    }
    if (st == ST_OK && !(*out = arena_strdup(arena, t.s))) st = ST_MEMORY;
    text_free(&t);
    return st;
}

/* ~/.cache/peftgrid/KIND, or NULL when the user has no home. */
static status cache_folder(const char *kind, struct arena *arena, const char **out)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    *out = NULL;
    if (cache && *cache == '/')
        *out = arena_printf(arena, "%s/peftgrid/%s", cache, kind);
    else if (home && *home)
        *out = arena_printf(arena, "%s/.cache/peftgrid/%s", home, kind);
    else
        return ST_OK;
    return *out ? ST_OK : ST_MEMORY;
}

status token_cache(struct arena *arena, const char **folder)
{
    return cache_folder("tokens", arena, folder);
}

status result_cache(struct arena *arena, const char **folder)
{
    return cache_folder("decompositions", arena, folder);
}

/* $VARIABLE, if set, and the cache's folder of that kind. */
static status search_folders(const char *variable_name, const char *kind, struct arena *arena, const char **folder,
                             int *count)
{
    const char *set = getenv(variable_name), *cached;
    *count = 0;
    if (set && *set) folder[(*count)++] = set;
    TRY(cache_folder(kind, arena, &cached));
    if (cached) folder[(*count)++] = cached;
    return ST_OK;
}

status model_folders(struct arena *arena, const char **folder, int *count)
{
    return search_folders("PEFTGRID_MODELS", "models", arena, folder, count);
}

static status find(const char *what, const char *written, const char *ini_dir, const char *variable_name,
                   const char *kind, struct arena *arena, const char **path)
{
    const char *name, *place[2 + FOLDERS_MAX];
    int n;
    TRY(path_expand(written, arena, &name));
    *path = name;
    if (*name == '/') {
        FAIL_IF(!file_exists(name), ST_INPUT, "no %s folder %s", what, name);
        return ST_OK;
    }
    place[0] = ini_dir;
    place[1] = ".";
    TRY(search_folders(variable_name, kind, arena, place + 2, &n));
    n += 2;
    struct text looked = {0};
    status st = ST_OK;
    for (int i = 0; i < n && st == ST_OK; i++) {
        if (i == 1 && strcmp(ini_dir, ".") == 0) continue;
        char *full = strcmp(place[i], ".") == 0 ? arena_strdup(arena, name) : path_join(arena, place[i], name);
        if (!full) {
            st = ST_MEMORY;
        } else if (file_exists(full)) {
            text_free(&looked);
            *path = full;
            return ST_OK;
        } else {
            st = text_printf(&looked, "%s%s", looked.n ? ", " : "", full);
        }
    }
    if (st == ST_OK)
        st = fail(ST_INPUT, "no %s '%s'; looked for %s (%s names another folder of %s)", what, written, looked.s,
                  variable_name, kind);
    text_free(&looked);
    return st;
}

status model_find(const char *written, const char *ini_dir, struct arena *arena, const char **path)
{
    *path = written;
    if (strcmp(written, "mini") == 0) return ST_OK;
    return find("model", written, ini_dir, "PEFTGRID_MODELS", "models", arena, path);
}

status data_find(const char *written, const char *ini_dir, struct arena *arena, const char **path)
{
    TRY(find("data", written, ini_dir, "PEFTGRID_DATA", "data", arena, path));
    FAIL_IF(!file_is_dir(*path), ST_INPUT, "data '%s' is a file; expected the folder that holds the tasks' folders",
            written);
    return ST_OK;
}

/* Those of some folders, given relative to the program's, that are there. */
static status beside_program(const char *const beside[FOLDERS_MAX], struct arena *arena, const char **folder,
                             int *count)
{
    char exe[4096];
    *count = 0;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0) return ST_OK;
    exe[n] = 0;
    const char *dir = path_folder(arena, exe);
    if (!dir) return ST_MEMORY;
    for (int i = 0; i < FOLDERS_MAX; i++) {
        char *full = path_join(arena, dir, beside[i]);
        if (!full) return ST_MEMORY;
        char real_path[PATH_MAX];
        if (!realpath(full, real_path)) continue;
        folder[*count] = arena_strdup(arena, real_path);
        if (!folder[(*count)++]) return ST_MEMORY;
    }
    return ST_OK;
}

status experiment_folders(struct arena *arena, const char **folder, int *count)
{
    static const char *const beside[FOLDERS_MAX] = {"../share/peftgrid/experiments", "../../bench/experiments",
                                                    "../bench/experiments"};
    return beside_program(beside, arena, folder, count);
}

status tool_find(const char *name, struct arena *arena, const char **path)
{
    static const char *const beside[FOLDERS_MAX] = {"../share/peftgrid/tools", "../../tools", "../tools"};
    const char *folder[FOLDERS_MAX];
    int count;
    TRY(beside_program(beside, arena, folder, &count));
    for (int i = 0; i < count; i++) {
        if (!(*path = path_join(arena, folder[i], name))) return ST_MEMORY;
        if (file_exists(*path)) return ST_OK;
    }
    return fail(ST_INPUT, "the script %s is not beside this program (../share/peftgrid/tools or ../tools)", name);
}

/* All names (without .ini) of the experiment folders. */
static status experiment_names(struct arena *arena, char ***names, int *count)
{
    const char *folder[FOLDERS_MAX];
    int folders;
    *count = 0;
    *names = NULL;
    TRY(experiment_folders(arena, folder, &folders));
    for (int i = 0; i < folders && *count == 0; i++) {
        TRY(file_list(folder[i], ".ini", arena, names, count));
        for (int k = 0; k < *count; k++) (*names)[k][strlen((*names)[k]) - 4] = 0;
    }
    return ST_OK;
}

status experiment_find(const char *arg, struct arena *arena, const char **path)
{
    *path = arg;
    if (file_exists(arg) || strchr(arg, '/')) return ST_OK; /* ini_read tells what is wrong with it */
    const char *folder[FOLDERS_MAX];
    int folders, count;
    TRY(experiment_folders(arena, folder, &folders));
    for (int i = 0; i < folders; i++)
        for (int k = 0; k < 2; k++) {
            char *full = arena_printf(arena, "%s/%s%s", folder[i], arg, k ? ".ini" : "");
            if (!full) return ST_MEMORY;
            if (file_exists(full) && !file_is_dir(full)) {
                *path = full;
                return ST_OK;
            }
        }
    char **names;
    TRY(experiment_names(arena, &names, &count));
    size_t n = strlen(arg);
    char *stem = arena_printf(arena, "%.*s", (int)(n > 4 && strcmp(arg + n - 4, ".ini") == 0 ? n - 4 : n), arg);
    if (!stem) return ST_MEMORY;
    const char *near = text_nearest(stem, (const char *const *)names, count);
    if (near) return fail(ST_USAGE, "no experiment file '%s'; did you mean '%s'?", arg, near);
    return fail(ST_USAGE, "no experiment file '%s'; `peftgrid list experiments` shows those that come along", arg);
}
