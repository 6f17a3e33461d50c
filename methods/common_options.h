/* Rows of an option table that many methods have. The method's `struct options` holds a field of the row's name:
 * const char *sites; int rank; double alpha, dropout. */
#ifndef PG_METHODS_COMMON_OPTIONS_H
#define PG_METHODS_COMMON_OPTIONS_H

#include "core/option.h"

/* sites: which sites are attached; what: what they are, in the plural. */
#define OPTION_SITES(default_, what) \
    { \
        .name = "sites", .type = OPT_STRING, .offset = offsetof(struct options, sites), .def = default_, \
        .choices = "LIST", .help = what ": roles or name patterns joined by +" \
    }
#define OPTION_RANK(default_, highest, what) \
    { \
        .name = "rank", .type = OPT_INT, .offset = offsetof(struct options, rank), .lo = 1, .hi = highest, \
        .def = default_, .help = what \
    }
#define OPTION_ALPHA(what) \
    { \
        .name = "alpha", .type = OPT_REAL, .offset = offsetof(struct options, alpha), .lo = 0, .hi = 1e6, .def = "16", \
        .help = what \
    }
#define OPTION_DROPOUT \
    { \
        .name = "dropout", .type = OPT_REAL, .offset = offsetof(struct options, dropout), .lo = 0, .hi = 0.99, \
        .def = "0", .help = "dropout on the adapter's input" \
    }

#endif
