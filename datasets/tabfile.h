/* Tabular text files, one record at a time over a read-only map: TSV as GLUE ships it, CSV (RFC 4180), JSON lines.
 *
 *   tsv    fields between TABs, records between line ends. No quoting at all: a quote is a character like any other
 * (MRPC and QQP hold unbalanced ones). csv    commas; a field in double quotes may hold commas, line ends and doubled
 * quotes. jsonl  one JSON object a line; "columns" are keys. Numbers and booleans become text.
 *
 * Everywhere: a UTF-8 byte order mark is skipped, LF and CRLF both end a line, the last line may lack its end, blank
 * lines at the end of the file do not count. Every message begins with file:line. */
#ifndef PG_DATASETS_TABFILE_H
#define PG_DATASETS_TABFILE_H

#include <stdbool.h>
#include "core/arena.h"
#include "core/file.h"

#define TAB_FORMATS "tsv|csv|jsonl"
enum tab_format { TAB_TSV, TAB_CSV, TAB_JSONL };

struct span { /* a piece of text, not NUL-terminated; s NULL: the record lacks this field */
    const char *s;
    size_t n;
};

struct tabfile {
    enum tab_format format;
    const char *path;
    struct arena *arena;   /* the caller's: the header's names and the list of fields */
    struct arena *scratch; /* converted fields of the current record */
    struct arena_mark empty;
    struct file_map map;
    const char *at, *end;
    long next_line;    /* number of the line at `at` */
    struct span *name; /* header names (jsonl: the keys asked for so far); none without a header */
    int names;
    /* the current record */
    struct span *field;
    int fields, cap;
    long line; /* where it begins */
};

/* header: the first record names the columns (tsv, csv; ignored for jsonl). tabfile_close is due also after a failure.
 */
status tabfile_open(struct tabfile *, enum tab_format, const char *path, bool header, struct arena *);
void tabfile_close(struct tabfile *); /* a zeroed struct is fine */

/* *column = place from 0 of the column called `name`: one of the alternatives "a|b|c", first match wins; a number from
 * 1 when the file has no header. jsonl: any key. Fails naming file, name and the columns there are. */
status tabfile_column(struct tabfile *, const char *name, int *column);
bool tabfile_has_column(const struct tabfile *, const char *name); /* always true without a header and for jsonl */

/* The next record: *more = false at the end of the file. Spans are valid until the next call. */
status tabfile_next(struct tabfile *, bool *more);

/* Upper bound of the number of records left: lines. */
long tabfile_lines(const struct tabfile *);

/* Inside: one parser a format (tsv.c, csv.c, jsonl.c), called with at < end and `line` set; fills the record. */
status tab_parse_tsv(struct tabfile *);
status tab_parse_csv(struct tabfile *);
status tab_parse_jsonl(struct tabfile *);
status tab_field(struct tabfile *, const char *s, size_t n); /* appends to the record */
struct span tab_line(struct tabfile *);                      /* takes one line, without its end */

#endif
