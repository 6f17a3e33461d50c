/* JSON files (jansson behind them) with messages that name file, line and column, and readers that check type and
 * range. A text with duplicate keys is refused: which value another program would take is anyone's guess. */
#ifndef PG_CORE_JSONFILE_H
#define PG_CORE_JSONFILE_H

#include <jansson.h>
#include <stdbool.h>
#include "core/arena.h"
#include "core/status.h"

/* Parses the whole file (at most max bytes). The caller ends with json_decref(*root). */
status jsonfile_read(const char *path, size_t max, json_t **root);
/* The same for n bytes that come from path. */
status jsonfile_parse(const char *path, const char *bytes, size_t n, json_t **root);

/* One key of object o of the file path. A key that is absent or null leaves *v as it was; another type or a value
 * outside lo .. hi fails with file, key and what was expected. jsonfile_string: the text lives as long as o. */
status jsonfile_int(const char *path, const json_t *o, const char *key, int lo, int hi, int *v);
status jsonfile_real(const char *path, const json_t *o, const char *key, double lo, double hi, double *v);
status jsonfile_bool(const char *path, const json_t *o, const char *key, bool *v);
status jsonfile_string(const char *path, const json_t *o, const char *key, const char **v);

#endif
