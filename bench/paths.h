/* Where models, data and experiments lie when a file names them shortly. */
#ifndef PG_BENCH_PATHS_H
#define PG_BENCH_PATHS_H

#include "core/arena.h"
#include "core/status.h"

/* ~, $NAME and ${NAME} replaced. An unset variable fails with ST_USAGE and its name. */
status path_expand(const char *written, struct arena *, const char **out);

/* A model or data folder as an experiment writes it: an absolute path, or one relative to ini_dir, the working folder,
 * the variable's folder ($PEFTGRID_MODELS, $PEFTGRID_DATA) or the user's cache (~/.cache/peftgrid/models, /data), the
 * first that exists. "mini" is itself. Fails with ST_INPUT and the places looked at. */
status model_find(const char *written, const char *ini_dir, struct arena *, const char **path);
status data_find(const char *written, const char *ini_dir, struct arena *, const char **path);

/* The folders searched for models after the working folder; count 1 or 2. */
status model_folders(struct arena *, const char **folder, int *count);
/* Where tokenised data is kept between runs; NULL when the user has no home. */
status token_cache(struct arena *, const char **folder);
/* Where other results that take long are kept (core/cache.h); NULL likewise. */
status result_cache(struct arena *, const char **folder);
/* Folders with example experiments: beside the source tree's binary, or installed. */
status experiment_folders(struct arena *, const char **folder, int *count);
enum { FOLDERS_MAX = 3 };
/* A script that comes along, "compare_hf.py": beside the source tree's binary, or installed. ST_INPUT: it is not there.
 */
status tool_find(const char *name, struct arena *, const char **path);

/* An experiment argument: a path, or the name of an experiment in those folders ("mini_demo"). Fails with the nearest
 * known name. */
status experiment_find(const char *arg, struct arena *, const char **path);

/* The folder part of path, "." when there is none. */
char *path_folder(struct arena *, const char *path);

#endif
