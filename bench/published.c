#include "bench/published.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "core/embed.h"

EMBED(published_notes, "results/published/notes.csv");
EMBED(published_table1, "results/published/table1.csv");
EMBED(published_table2, "results/published/table2.csv");
EMBED(published_table3, "results/published/table3.csv");
EMBED(published_table4, "results/published/table4.csv");
EMBED(published_table5, "results/published/table5.csv");
EMBED(published_table6, "results/published/table6.csv");
extern const struct embedded published_notes, published_table1, published_table2, published_table3, published_table4,
    published_table5, published_table6;

/* One field of a CSV line; *p moves behind it and its comma. Quotes only around whole fields, none inside. */
static status take_field(const char **p, struct arena *arena, const char **out)
{
    const char *begin = *p, *end;
    bool quoted = *begin == '"';
    if (quoted) {
        end = strchr(++begin, '"');
        FAIL_IF(!end || !strchr(",\n", end[1]), ST_INTERNAL, "a published table has a quote out of place: %.40s",
                begin);
    } else {
        end = begin + strcspn(begin, ",\n");
    }
    *p = end + quoted;
    if (**p == ',') ++*p;
    return (*out = arena_printf(arena, "%.*s", (int)(end - begin), begin)) ? ST_OK : ST_MEMORY;
}

static int count_of(const char *s, char c, const char *stop)
{
    int n = 0;
    for (; *s && s != stop; s++) n += *s == c;
    return n;
}

static status parse(const char *text, struct arena *arena, struct published *t)
{
    const char *end = text + strcspn(text, "\n"), *p = text;
    *t = (struct published){.cols = count_of(text, ',', end) + 1, .rows = count_of(text, '\n', NULL) - 1};
    NEW(t->name, arena, t->cols);
    NEW(t->field, arena, (size_t)t->rows * (size_t)t->cols + 1);
    for (int c = 0; c < t->cols; c++) TRY(take_field(&p, arena, &t->name[c]));
    for (int r = 0; r < t->rows; r++) {
        FAIL_IF(*p++ != '\n', ST_INTERNAL, "line %d of a published table has too many fields", r + 1);
        for (int c = 0; c < t->cols; c++) TRY(take_field(&p, arena, &t->field[r * t->cols + c]));
    }
    return ST_OK;
}

status published_read(int table, struct arena *arena, struct published *t)
{
    static const struct embedded *const file[] = {&published_notes,  &published_table1, &published_table2,
                                                  &published_table3, &published_table4, &published_table5,
                                                  &published_table6};
    FAIL_IF(table < 0 || table > PUBLISHED_TABLES, ST_USAGE, "the paper has tables 1 to %d, not %d", PUBLISHED_TABLES,
            table);
    return parse(file[table]->text, arena, t);
}

int published_column(const struct published *t, const char *name)
{
    for (int c = 0; c < t->cols; c++)
        if (strcmp(t->name[c], name) == 0) return c;
    return -1;
}

const char *published_at(const struct published *t, int row, int col)
{
    return row < 0 || col < 0 ? "" : t->field[row * t->cols + col];
}

double published_number(const char *field)
{
    char *end;
    double v = strtod(field, &end);
    if (end == field) return NAN;
    if (*end == 'M') return v * 1e6;
    if (*end == 'k') return v * 1e3;
    return *end ? NAN : v;
}
