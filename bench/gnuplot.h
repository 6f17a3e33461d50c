/* Calling gnuplot. */
#ifndef PG_BENCH_GNUPLOT_H
#define PG_BENCH_GNUPLOT_H

#include "core/arena.h"
#include "core/status.h"

/* Draws FOLDER/NAME.gp as FOLDER/NAME.<format>. ST_UNSUPPORTED: there is no gnuplot; ST_IO: it failed, with its words.
 */
status gnuplot_run(const char *folder, const char *name, const char *format, struct arena *);

#endif
