/* Numbers, tolerances and tensors of golden cases. */
#include "tests/golden/golden.h"

#include <math.h>
#include <string.h>

status check_number(const json_t *o, const char *key, const char *place, double *v)
{
    const json_t *j = json_object_get(o, key);
    FAIL_IF(!json_is_number(j), ST_INPUT, "%s: number '%s' is missing", place, key);
    *v = json_number_value(j);
    return ST_OK;
}

status check_tolerance(const struct check *c, const char *key, double *v)
{
    static const char *const groups[] = {"suggested_float32_tolerance", "tolerance_float32", "tolerance"};
    for (int i = 0; i < 3; i++) {
        const json_t *j = json_object_get(json_object_get(c->info, groups[i]), key);
        if (!json_is_number(j)) continue;
        *v = json_number_value(j);
        return ST_OK;
    }
    return fail(ST_INPUT, "case.json gives no tolerance '%s'", key);
}

status check_values(struct check *c, const struct checkpoint *want, const char *name, const real *got, size_t n,
                    enum distance how, double tolerance)
{
    const struct tensor *t = checkpoint_find(want, name);
    struct arena_mark mark = arena_mark(c->arena);
    double *ref, worst = 0, largest = 0, square = 0, norm = 0;
    FAIL_IF(!t, ST_INPUT, "%s: tensor '%s' is missing", want->path, name);
    NEW(ref, c->arena, n);
    TRY(tensor_to_f64(t, ref, n));
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - ref[i]);
        worst = d > worst || isnan(d) ? d : worst; /* once NaN, always NaN: no comparison with it is true */
        largest = fmax(largest, fabs(ref[i]));
        square += d * d;
        norm += ref[i] * ref[i];
    }
    arena_reset(c->arena, mark);
    double error = worst;
    if (how == DISTANCE_LARGEST && largest > 0) error = worst / largest;
    if (how == DISTANCE_NORM) error = sqrt(square) / (norm > 0 ? sqrt(norm) : 1);
    check_measure(c, error, tolerance, "%s", name);
    return ST_OK;
}
