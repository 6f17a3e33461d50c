/* `peftgrid inspect`: a record as aligned text, group by group. */
#include "results/record.h"

#include <string.h>
#include "core/text.h"

enum { HEAD_VALUES = 6, TAIL_VALUES = 2, TEXT_WIDTH = 100 };

/* exact: reals with all their digits, not the first six. */
static void print_value(FILE *f, const struct record_item *it, size_t i, int exact)
{
    char number[40];
    switch (it->type) {
    case ITEM_STRING: fputs(it->v.s, f); break;
    case ITEM_STRINGS: fputs(it->v.ss[i], f); break;
    case ITEM_INT:
    case ITEM_INTS: fprintf(f, "%lld", (long long)it->v.i[i]); break;
    case ITEM_REAL:
    case ITEM_REALS:
        if (exact)
            text_from_double(it->v.d[i], number, sizeof number);
        else
            snprintf(number, sizeof number, "%.6g", it->v.d[i]);
        fputs(it->v.d[i] != it->v.d[i] ? "undefined" : number, f);
        break;
    }
}

/* A text of several lines hangs below its first line; a long line is cut unless everything is wanted. */
static void print_text(FILE *f, const char *s, int indent, int full)
{
    for (int line = 0; *s; line++) {
        size_t n = strcspn(s, "\n");
        if (line) fprintf(f, "\n%*s", indent, "");
        int cut = !full && n > TEXT_WIDTH;
        fprintf(f, "%.*s%s", cut ? TEXT_WIDTH - 3 : (int)n, s, cut ? "..." : "");
        s += n + (s[n] == '\n');
    }
    fputc('\n', f);
}

static void print_dims(FILE *f, const struct record_item *it)
{
    fputc('[', f);
    for (int i = 0; i < it->rank; i++) fprintf(f, "%s%zu", i ? " x " : "", it->dim[i]);
    fputc(']', f);
}

/* One line an array, or with full one line a row of the last dimension. */
static void print_array(FILE *f, const struct record_item *it, int indent, int full)
{
    size_t row = it->rank > 1 ? it->dim[it->rank - 1] : it->n;
    print_dims(f, it);
    for (size_t i = 0; i < it->n; i++) {
        if (full && row && i % row == 0 && it->rank > 1) fprintf(f, "\n%*s", indent - 1, "");
        if (!full && it->n > HEAD_VALUES + TAIL_VALUES + 1 && i == HEAD_VALUES) {
            fputs(" ...", f);
            i = it->n - TAIL_VALUES;
        }
        fputc(' ', f);
        print_value(f, it, i, full);
    }
    fputc('\n', f);
}

/* Length of the group of a path: "eval/dev/main/loss" -> that of "eval/dev/main". */
static int group_length(const char *path)
{
    return (int)(strrchr(path, '/') - path);
}

static int same_group(const char *a, const char *b)
{
    int n = group_length(a);
    return n == group_length(b) && memcmp(a, b, (size_t)n) == 0;
}

/* Whether this item is the one its group begins with in the schema's order. */
static int begins_group(const struct record *r, int i, const struct schema_item *row)
{
    for (int k = 0; k < r->count; k++) {
        if (k == i || !same_group(r->item[k].path, r->item[i].path)) continue;
        const struct schema_item *other = r->item[k].schema;
        if (other < row || (other == row && k < i)) return 0;
    }
    return 1;
}

static void print_item(FILE *f, const struct record_item *it, int width, int full)
{
    fprintf(f, "  %-*s  ", width, strrchr(it->path, '/') + 1);
    if (it->type == ITEM_STRING)
        print_text(f, it->v.s, width + 4, full);
    else if (it->rank == 0)
        print_value(f, it, 0, 1), fputc('\n', f);
    else
        print_array(f, it, width + 4, full);
}

/* All items of the group of `first`, in the schema's order from `row` on. */
static void print_group(FILE *f, const struct record *r, const char *first, const struct schema_item *row, int full)
{
    int width = 0;
    for (int k = 0; k < r->count; k++) {
        int n = (int)strlen(strrchr(r->item[k].path, '/') + 1);
        if (same_group(r->item[k].path, first) && n > width) width = n;
    }
    fprintf(f, "\n%.*s\n", group_length(first), first);
    for (; row->path; row++)
        for (int k = 0; k < r->count; k++)
            if (same_group(r->item[k].path, first) && r->item[k].schema == row) print_item(f, &r->item[k], width, full);
}

void record_print(FILE *f, const struct record *r, int full)
{
    char hash[SHA256_HEX];
    record_hash(r, hash);
    fprintf(f, "content hash %s\n", hash);
    for (const struct schema_item *row = schema_table; row->path; row++)
        for (int i = 0; i < r->count; i++)
            if (r->item[i].schema == row && begins_group(r, i, row)) print_group(f, r, r->item[i].path, row, full);
}
