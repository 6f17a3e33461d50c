/* An INI file as sections of key/value pairs, each with its line number. Comments begin with # or ; at the start of a
 * line or after a blank. Windows line ends and a byte-order mark are fine. A value is one line. */
#ifndef PG_BENCH_EXPERIMENT_INI_H
#define PG_BENCH_EXPERIMENT_INI_H

#include "core/arena.h"
#include "core/status.h"
#include "datasets/dataset.h" /* struct key_value */

struct ini_section {
    const char *name, *path; /* between the brackets, blanks collapsed; the file */
    int line;
    const struct key_value *kv; /* in file order; a key appears once */
    int count;
};

struct ini_file {
    const char *path;
    struct ini_section *section; /* in file order; also empty ones */
    int sections;
};

/* Faults (ST_USAGE, "path:line: ..."): a line that is neither heading, pair nor comment; a pair before the first
 * heading; a key given twice in a section; zero bytes. An unreadable file keeps file_read's message. */
status ini_read(const char *path, struct arena *, struct ini_file *);

const struct key_value *ini_get(const struct ini_section *, const char *key); /* NULL: absent; section may be NULL */

#endif
