/* Records one after the other, wherever they lie: in a folder, in a file of their own, in a merged file. */
#include <string.h>
#include "core/file.h"
#include "results/record_image.h"
#include "results/record_pack.h"

struct record_source {
    struct arena *arena; /* the caller's: names */
    struct arena *packs; /* the merged file being read */
    const char **file;
    int files, next;
    struct record_pack *pack; /* NULL: none open */
    int in_pack;              /* its next record */
};

/* The first line of a file, as far as it is one of ours. */
static int first_line_is(const char *path, const char *format)
{
    char line[64];
    size_t n = strlen(format), got;
    return file_head(path, line, n + 1, &got) == ST_OK && got == n + 1 && memcmp(line, format, n) == 0 &&
           line[n] == '\n';
}

int record_pack_is(const char *path)
{
    return !file_is_dir(path) && first_line_is(path, PACK_FORMAT);
}

int record_source_is(const char *path)
{
    return file_is_dir(path) || first_line_is(path, PACK_FORMAT) || first_line_is(path, RECORD_FORMAT);
}

status record_source_open(const char *path, struct arena *arena, struct record_source **out)
{
    struct record_source *s;
    char **name;
    ZNEW(s, arena, 1);
    s->arena = arena;
    if (file_is_dir(path)) {
        TRY(file_list(path, ".h5", arena, &name, &s->files));
        NEW(s->file, arena, s->files + 1);
        for (int i = 0; i < s->files; i++)
            if (!(s->file[i] = path_join(arena, path, name[i]))) return ST_MEMORY;
    } else {
        FAIL_IF(!file_exists(path), ST_INPUT, "%s: there is no such folder or file", path);
        NEW(s->file, arena, 1);
        s->files = 1;
        if (!(s->file[0] = arena_strdup(arena, path))) return ST_MEMORY;
    }
    if (!(s->packs = arena_new("a merged file"))) return ST_MEMORY;
    *out = s;
    return ST_OK;
}

static status next_of_pack(struct record_source *s, struct arena *arena, struct record *r, struct record_place *place)
{
    int i = s->in_pack++;
    place->name = arena_printf(s->arena, "%s#%s", place->file, record_pack_id(s->pack, i));
    status st = place->name ? record_pack_read(s->pack, i, arena, r) : ST_MEMORY;
    if (s->in_pack == record_pack_count(s->pack)) s->pack = NULL;
    return st;
}

status record_source_next(struct record_source *s, struct arena *arena, struct record *r, struct record_place *place)
{
    *place = (struct record_place){NULL, NULL};
    while (!s->pack && s->next < s->files) {
        place->file = place->name = s->file[s->next++];
        if (!record_pack_is(place->file)) return record_read(place->file, arena, r);
        arena_reset(s->packs, (struct arena_mark){0});
        s->in_pack = 0;
        TRY(record_pack_open(place->file, s->packs, &s->pack));
        if (record_pack_count(s->pack) == 0) s->pack = NULL;
    }
    if (!s->pack) {
        *place = (struct record_place){NULL, NULL};
        return ST_OK;
    }
    place->file = s->file[s->next - 1];
    return next_of_pack(s, arena, r, place);
}

void record_source_close(struct record_source *s)
{
    if (s) arena_free(s->packs);
}
