/* JSON files; see jsonfile.h. */
#include "core/jsonfile.h"

#include "core/file.h"

status jsonfile_parse(const char *path, const char *bytes, size_t n, json_t **root)
{
    json_error_t e;
    *root = json_loadb(bytes, n, JSON_REJECT_DUPLICATES, &e);
    if (!*root && json_error_code(&e) == json_error_out_of_memory)
        return fail(ST_MEMORY, "%s: out of memory while reading JSON", path);
    FAIL_IF(!*root, ST_INPUT, "%s: not valid JSON: line %d, column %d: %s", path, e.line, e.column, e.text);
    return ST_OK;
}

status jsonfile_read(const char *path, size_t max, json_t **root)
{
    struct file_map m;
    *root = NULL;
    TRY(file_map(path, &m));
    status s = m.size > max ? fail(ST_INPUT, "%s: %zu bytes, expected at most %zu", path, m.size, max)
                            : jsonfile_parse(path, (const char *)m.data, m.size, root);
    file_unmap(&m);
    return s;
}

/* The value of key, or NULL when it is absent or null. */
static const json_t *value_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return v && json_is_null(v) ? NULL : v;
}

status jsonfile_int(const char *path, const json_t *o, const char *key, int lo, int hi, int *v)
{
    const json_t *j = value_of(o, key);
    if (!j) return ST_OK;
    FAIL_IF(!json_is_integer(j), ST_INPUT, "%s: key '%s': expected a whole number", path, key);
    long long n = json_integer_value(j);
    FAIL_IF(n < lo || n > hi, ST_INPUT, "%s: key '%s': %lld, expected %d to %d", path, key, n, lo, hi);
    *v = (int)n;
    return ST_OK;
}

status jsonfile_real(const char *path, const json_t *o, const char *key, double lo, double hi, double *v)
{
    const json_t *j = value_of(o, key);
    if (!j) return ST_OK;
    FAIL_IF(!json_is_number(j), ST_INPUT, "%s: key '%s': expected a number", path, key);
    double n = json_number_value(j);
    FAIL_IF(!(n >= lo && n <= hi), ST_INPUT, "%s: key '%s': %g, expected %g to %g", path, key, n, lo, hi);
    *v = n;
    return ST_OK;
}

status jsonfile_bool(const char *path, const json_t *o, const char *key, bool *v)
{
    const json_t *j = value_of(o, key);
    if (!j) return ST_OK;
    FAIL_IF(!json_is_boolean(j), ST_INPUT, "%s: key '%s': expected true or false", path, key);
    *v = json_is_true(j);
    return ST_OK;
}

status jsonfile_string(const char *path, const json_t *o, const char *key, const char **v)
{
    const json_t *j = value_of(o, key);
    if (!j) return ST_OK;
    FAIL_IF(!json_is_string(j), ST_INPUT, "%s: key '%s': expected a string", path, key);
    *v = json_string_value(j);
    return ST_OK;
}
