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

static int first_line_is(const char *bytes, size_t size, const char *format)
{
    size_t n = strlen(format);
    return size > n && memcmp(bytes, format, n) == 0 && bytes[n] == '\n';
}

status record_place_kind(const char *path, enum place_kind *kind)
{
    char head[64];
    size_t n;
    int is_dir;
    *kind = PLACE_NONE;
    TRY(file_ask_dir(path, &is_dir));
    if (is_dir) {
        *kind = PLACE_FOLDER;
        return ST_OK;
    }
    status st = file_head(path, head, sizeof head, &n);
    if (st != ST_OK) return st == ST_INPUT ? ST_OK : st;
    if (first_line_is(head, n, PACK_FORMAT)) *kind = PLACE_PACK;
    if (first_line_is(head, n, RECORD_FORMAT)) *kind = PLACE_RECORD;
    return ST_OK;
}

status record_source_open(const char *path, struct arena *arena, struct record_source **out)
{
    struct record_source *s;
    char **name;
    int is_dir;
    ZNEW(s, arena, 1);
    s->arena = arena;
    TRY(file_ask_dir(path, &is_dir));
    if (is_dir) {
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
        enum place_kind kind;
        TRY(record_place_kind(place->file, &kind));
        if (kind != PLACE_PACK) return record_read(place->file, arena, r);
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
