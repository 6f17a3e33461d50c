/* The sections of an experiment file by what their headings say, with what they take over from the file it is like. */
#ifndef PG_BENCH_EXPERIMENT_PARTS_H
#define PG_BENCH_EXPERIMENT_PARTS_H

#include <stdbool.h>
#include "bench/experiment_ini.h"

enum part_kind { PART_EXPERIMENT, PART_TRAIN, PART_TASK, PART_ROW, PART_ROW_TASK, PART_TUNE };
struct part {
    enum part_kind kind;
    const char *row, *task; /* [row R task T]; NULL where the kind has none */
    struct ini_section section;
    bool inherited; /* stands in the other file only; it need not be used */
};
struct parts {
    struct part *part; /* no two of one kind, row and task */
    int count;
};

/* Reads a file and, where its [experiment] says like = FILE, that one: of a section that both have, the keys that only
 * the other has (but never its name and description); of the rest, all. FILE is a file beside this one or an
 * experiment that comes along. Errors: ini_read's; an unknown or repeated section; no [experiment]; files like
 * themselves. */
status parts_read(const char *path, struct arena *, struct parts *);

const struct ini_section *parts_find(const struct parts *, enum part_kind, const char *row, const char *task);

/* "file:line", for messages; NULL: no memory. */
const char *section_place(const struct ini_section *, struct arena *);

#endif
