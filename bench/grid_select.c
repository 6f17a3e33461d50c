/* Which cells of an experiment a driver runs. */
#include <string.h>
#include "bench/grid.h"
#include "core/text.h"

static int matches(const char *label, char *const *pattern, int patterns)
{
    for (int i = 0; i < patterns; i++)
        if (strpbrk(pattern[i], "*?") ? text_match(pattern[i], label) : strstr(label, pattern[i]) != NULL) return 1;
    return patterns == 0;
}

/* Cells are dealt out like cards, beginning with another shard each round: a grid's rows, whose costs differ, are
 * spread also when their number is a multiple of the number of shards. */
static int shard_of(int cell, int shards)
{
    return (cell + cell / shards) % shards + 1;
}

status grid_select(const struct experiment *e, const struct grid_options *o, struct arena *arena, int **index,
                   int *count)
{
    char **pattern;
    int patterns, matched = 0, n = 0;
    TRY(text_split(o->filter ? o->filter : "", ',', arena, &pattern, &patterns));
    NEW(*index, arena, e->cells + 1);
    for (int i = 0; i < e->cells; i++) {
        if (!matches(e->cell[i].label, pattern, patterns)) continue;
        matched++;
        if (o->shards > 1 && shard_of(i, o->shards) != o->shard) continue;
        (*index)[n++] = i;
    }
    FAIL_IF(matched == 0, ST_USAGE, "no cell of %s matches --filter '%s'; labels look like %s", e->path, o->filter,
            e->cell[0].label);
    *count = n;
    return ST_OK;
}
