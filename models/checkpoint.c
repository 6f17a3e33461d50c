/* Opening checkpoints: which files of a folder hold the weights, shards named by an index, the sorted list of tensors.
 */
#include "models/checkpoint.h"

#include <stdlib.h>
#include <string.h>
#include "core/jsonfile.h"

/* What `git clone` leaves in the place of a large file where git-lfs is not installed. */
static const char pointer[] = "version https://git-lfs";

static const size_t index_max = 64u << 20;

status checkpoint_map(struct checkpoint *c, const char *path, struct file_map *map)
{
    struct file_map *more, m;
    const char *own = arena_strdup(c->arena, path);
    if (!own) return ST_MEMORY;
    NEW(more, c->arena, c->maps + 1);
    TRY(file_map(own, &m));
    if (m.size >= sizeof pointer - 1 && memcmp(m.data, pointer, sizeof pointer - 1) == 0) {
        file_unmap(&m);
        return fail(ST_INPUT, "%s: only Git LFS's pointer to the weights; `git lfs pull` fetches them", path);
    }
    if (c->maps > 0) memcpy(more, c->map, sizeof *more * (size_t)c->maps);
    more[c->maps++] = m;
    c->map = more;
    *map = m;
    return ST_OK;
}

status checkpoint_room(struct checkpoint *c, int n, struct tensor **first)
{
    struct tensor *more;
    ZNEW(more, c->arena, c->count + n);
    if (c->count > 0) memcpy(more, c->tensor, sizeof *more * (size_t)c->count);
    c->tensor = more;
    *first = more + c->count;
    c->count += n;
    return ST_OK;
}

static int ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), e = strlen(end);
    return n >= e && strcmp(s + n - e, end) == 0;
}

static status read_weights(const char *path, struct checkpoint *c)
{
    if (ends_in(path, ".safetensors")) return safetensors_read(path, c);
    if (ends_in(path, ".bin") || ends_in(path, ".pt") || ends_in(path, ".pth")) return torch_bin_read(path, c);
    return fail(ST_INPUT, "%s: expected a folder or a weight file that ends in .safetensors or .bin", path);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

/* Names go into messages and files: no empty ones, no control characters, no two alike. */
static status sort_and_check(struct checkpoint *c)
{
    for (int i = 0; i < c->count; i++) {
        const unsigned char *s = (const unsigned char *)c->tensor[i].name;
        int bad = *s == '\0';
        for (; *s; s++) bad |= *s < 0x20 || *s == 0x7F;
        FAIL_IF(bad, ST_INPUT, "%s: a tensor's name is empty or has control characters", c->tensor[i].file);
    }
    if (c->count > 0) qsort(c->tensor, (size_t)c->count, sizeof *c->tensor, by_name);
    for (int i = 1; i < c->count; i++) {
        const struct tensor *s = &c->tensor[i - 1], *t = &c->tensor[i];
        FAIL_IF(strcmp(s->name, t->name) == 0, ST_INPUT, "%s: tensor '%s' is also in %s", t->file, t->name, s->file);
    }
    return ST_OK;
}

/* A shard's name must be a plain file name: an index must not reach files outside its folder. */
static int plain_name(const char *s)
{
    return s[0] != '\0' && s[0] != '.' && strchr(s, '/') == NULL && strchr(s, '\\') == NULL;
}

static int already_mapped(const struct checkpoint *c, const char *path)
{
    for (int i = 0; i < c->maps; i++)
        if (strcmp(c->map[i].path, path) == 0) return 1;
    return 0;
}

static status read_shards(const char *dir, const char *index, json_t *weights, struct checkpoint *c)
{
    const char *name;
    json_t *value;
    FAIL_IF(!json_is_object(weights), ST_INPUT, "%s: key 'weight_map' is missing or not an object", index);
    json_object_foreach(weights, name, value)
    {
        const char *shard = json_string_value(value);
        FAIL_IF(!shard, ST_INPUT, "%s: weight_map of tensor '%s': expected a file name", index, name);
        FAIL_IF(!plain_name(shard), ST_INPUT, "%s: weight_map of tensor '%s': '%s' leaves the folder of the index",
                index, name, shard);
        const char *path = path_join(c->arena, dir, shard);
        if (!path) return ST_MEMORY;
        if (already_mapped(c, path)) continue;
        status s = read_weights(path, c);
        if (s != ST_OK) return fail_in(s, "%s", index);
    }
    TRY(sort_and_check(c));
    json_object_foreach(weights, name, value)
    {
        const struct tensor *t = checkpoint_find(c, name);
        const char *shard = json_string_value(value);
        const char *base = t ? strrchr(t->file, '/') + 1 : NULL; /* a shard's path is folder/name */
        FAIL_IF(!t, ST_INPUT, "%s: tensor '%s' is in none of the shards", index, name);
        FAIL_IF(strcmp(base, shard) != 0, ST_INPUT, "%s: tensor '%s' is in %s, the index says %s", index, name, t->file,
                shard);
    }
    return ST_OK;
}

static status read_index(const char *dir, const char *index, struct checkpoint *c)
{
    json_t *root;
    TRY(jsonfile_read(index, index_max, &root));
    status s = json_is_object(root) ? read_shards(dir, index, json_object_get(root, "weight_map"), c)
                                    : fail(ST_INPUT, "%s: expected a JSON object", index);
    json_decref(root);
    return s;
}

static status read_any(const char *path, struct checkpoint *c)
{
    static const char *const files[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                        "pytorch_model.bin.index.json"};
    int is_dir, is_there;
    FAIL_IF(!file_exists(path), ST_INPUT, "%s: no such file or folder", path);
    TRY(file_ask_dir(path, &is_dir));
    if (!is_dir) {
        TRY(read_weights(path, c));
        return sort_and_check(c);
    }
    for (int i = 0; i < 4; i++) {
        const char *file = path_join(c->arena, path, files[i]);
        if (!file) return ST_MEMORY;
        TRY(file_ask(file, &is_there));
        if (!is_there) continue;
        if (ends_in(file, ".json")) return read_index(path, file, c);
        TRY(read_weights(file, c));
        return sort_and_check(c);
    }
    return fail(ST_INPUT, "%s: no weights here: expected %s, %s, %s or %s", path, files[0], files[1], files[2],
                files[3]);
}

status checkpoint_open(const char *path, struct arena *a, struct checkpoint *c)
{
    *c = (struct checkpoint){.arena = a, .path = arena_strdup(a, path)};
    if (!c->path) return ST_MEMORY;
    status s = read_any(c->path, c);
    if (s != ST_OK) checkpoint_close(c);
    return s;
}

status checkpoint_open_memory(const char *name, const void *bytes, size_t size, struct arena *a, struct checkpoint *c)
{
    *c = (struct checkpoint){.arena = a, .path = arena_strdup(a, name)};
    if (!c->path) return ST_MEMORY;
    status s = safetensors_parse(c->path, bytes, size, c);
    if (s == ST_OK) s = sort_and_check(c);
    if (s != ST_OK) checkpoint_close(c);
    return s;
}

void checkpoint_close(struct checkpoint *c)
{
    for (int i = 0; i < c->maps; i++) file_unmap(&c->map[i]);
    *c = (struct checkpoint){0};
}

void checkpoint_release(const struct checkpoint *c)
{
    for (int i = 0; i < c->maps; i++) file_release(&c->map[i]);
}

static int name_against(const void *key, const void *tensor)
{
    return strcmp(key, ((const struct tensor *)tensor)->name);
}

const struct tensor *checkpoint_find(const struct checkpoint *c, const char *name)
{
    if (c->count == 0) return NULL;
    return bsearch(name, c->tensor, (size_t)c->count, sizeof *c->tensor, name_against);
}
