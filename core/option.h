/* Option tables: one static table gives parsing, range checks, defaults, help, man page and the canonical text that is
 * hashed into a run id. Used by methods, stores, ariths, the trainer, tasks and every command line. */
#ifndef PG_CORE_OPTION_H
#define PG_CORE_OPTION_H

#include <stddef.h>
#include <stdio.h>
#include "core/arena.h"
#include "core/status.h"

enum option_type {
    OPT_INT,    /* int; lo..hi */
    OPT_LONG,   /* long long; lo..hi (exact up to 2^53) */
    OPT_REAL,   /* double; lo..hi, finite */
    OPT_BOOL,   /* int 0/1; yes|no|true|false|on|off|1|0 */
    OPT_ENUM,   /* int index into choices "a|b|c" */
    OPT_STRING, /* const char * from the arena; "" allowed */
    OPT_FLAG    /* int 1 when the word stands alone on a command line (--dry-run); in an INI file like OPT_BOOL */
};

struct option {
    const char *name; /* as in the INI file and, with "--" before it, on the command line; NULL ends the table */
    enum option_type type;
    size_t offset;       /* offsetof(struct x, field) */
    double lo, hi;       /* inclusive range of numbers; lo == hi == 0 means no limit */
    const char *def;     /* default as text; NULL: must be given */
    const char *choices; /* OPT_ENUM: "a|b|c"; others: a word for the value in help ("N", "PATH", "LIST"), or NULL */
    const char *help;    /* one line, no full stop */
    unsigned flags;      /* OPTION_* */
};
#define OPTION_NO_ID 1u  /* does not decide the bits: left out of the canonical text (threads, output paths) */
#define OPTION_HIDDEN 2u /* not in help (test switches) */
#define OPTION_YOUNG 4u  /* later than records: in the canonical text only when not at its default */

#define OPT_END \
    { \
        NULL, OPT_INT, 0, 0, 0, NULL, NULL, NULL, 0 \
    }

/* Fills *base with the defaults. Options without a default get 0 / NULL; option_check_required names the first unset.
 */
status option_defaults(const struct option *table, void *base, struct arena *);

/* *base: a new struct of `size` bytes with them; NULL where there is no table. */
status option_new(const struct option *table, size_t size, struct arena *, void **base);

/* Sets one option from text. where: "file:line" or "command line", put in front of a message. An unknown name fails
 * with the nearest known one suggested; a bad value fails with what was expected and the range. */
status option_set(const struct option *table, void *base, const char *name, const char *value, const char *where,
                  struct arena *);

const struct option *option_find(const struct option *table, const char *name);

/* The value as canonical text (numbers with the shortest digits that read back equal), into buf. */
void option_text(const struct option *, const void *base, char *buf, size_t n);

/* Appends "prefix.name=value\n" for every option that decides the bits, in table order. */
struct text;
status option_canonical(const struct option *table, const void *base, const char *prefix, struct text *out);

/* Help: one aligned line an option with default and range; flag_style: "--name VALUE" instead of "name = VALUE". */
void option_help(FILE *, const struct option *table, int flag_style);

#endif
