/* What made a result, for the group environment of its record: the command line and the libraries in use. */
#ifndef PG_BENCH_PROVENANCE_H
#define PG_BENCH_PROVENANCE_H

#include "core/arena.h"
#include "core/status.h"

/* The words of this process's command line, quoted where a shell would need it. "": the system does not tell. */
status provenance_command(struct arena *, const char **text);

/* "HDF5 1.10.8, OpenBLAS 0.3.21 ..., ...": the libraries whose versions can be asked at run time. */
status provenance_libraries(struct arena *, const char **text);

#endif
