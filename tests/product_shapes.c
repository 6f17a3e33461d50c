#include "tests/product_shapes.h"

#include <stdlib.h>
#include <string.h>
#include "core/parallel.h"
#include "tests/pgtest.h"

uint32_t shape_any(uint32_t below)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)state * below) >> 32);
}

real *shape_values(const struct product *p, size_t n)
{
    real *v = malloc((n + 1) * sizeof *v);
    ck_assert_ptr_nonnull(v);
    for (size_t i = 0; i < n; i++) v[i] = p->value();
    return v;
}

struct gemm_in shape_operand(const struct product *p, int rows, int cols, bool trans, real **owned)
{
    int stored_rows = trans ? cols : rows, ld = (trans ? rows : cols) + (int)shape_any(3);
    *owned = shape_values(p, (size_t)stored_rows * (size_t)ld);
    return (struct gemm_in){.p = *owned, .ld = ld, .trans = trans};
}

int shape_classes(const struct product *p, enum cpu_class *have)
{
    int n = 0;
    for (int c = CPU_GENERIC; c <= (int)p->last; c++)
        if (cpu_has((enum cpu_class)c)) have[n++] = (enum cpu_class)c;
    return n;
}

/* Asserts only where something differs: each passing ck_assert costs a system call. */
void shape_same(const real *want, const real *got, int m, int n, int ldc, const struct shape *s, const char *how)
{
    for (int i = 0; i < m; i++)
        for (int j = 0; j < ldc; j++)
            if (memcmp(want + i * ldc + j, got + i * ldc + j, sizeof *want) != 0)
                ck_abort_msg("%s: %dx%dx%d ta=%d tb=%d acc=%d: c[%d][%d] = %.9g, want %.9g%s", how, s->m, s->n, s->k,
                             s->ta, s->tb, s->accumulate, i, j, (double)got[i * ldc + j], (double)want[i * ldc + j],
                             j >= n ? " (outside of C)" : "");
}

void shape_check(const struct product *p, const struct shape *s)
{
    real *pa, *pb;
    struct gemm_in a = shape_operand(p, s->m, s->k, s->ta, &pa), b = shape_operand(p, s->k, s->n, s->tb, &pb);
    int ldc = s->n + (int)shape_any(3);
    size_t size = (size_t)s->m * (size_t)ldc;
    real *old = shape_values(p, size), *want = shape_values(p, size), *got = shape_values(p, size);
    memcpy(want, old, size * sizeof *old);
    p->reference(s->m, s->n, s->k, a, b, want, ldc, s->accumulate);
    enum cpu_class have[SHAPE_CLASSES];
    int n = shape_classes(p, have);
    for (int c = 0; c < n; c++) {
        ck_ok(cpu_force(have[c]));
        for (int threads = 1; threads <= 3; threads += 2) {
            parallel_set_threads(threads);
            memcpy(got, old, size * sizeof *old);
            p->parallel(s->m, s->n, s->k, a, b, got, ldc, s->accumulate);
            shape_same(want, got, s->m, s->n, ldc, s, cpu_class_name(have[c]));
        }
        memcpy(got, old, size * sizeof *old);
        p->serial(s->m, s->n, s->k, a, b, got, ldc, s->accumulate);
        shape_same(want, got, s->m, s->n, ldc, s, "serial");
    }
    free(pa), free(pb), free(old), free(want), free(got);
}

void shape_check_empty(const struct product *p)
{
    real c[4] = {1, 2, 3, 4}, a[4] = {0}, b[4] = {0};
    struct gemm_in in = {.p = a, .ld = 2}, other = {.p = b, .ld = 2};
    p->parallel(2, 0, 2, in, other, c, 2, false);
    p->parallel(0, 2, 2, in, other, c, 2, false);
    p->parallel(2, 2, 0, in, other, c, 2, true);
    ck_assert(c[0] == 1 && c[1] == 2 && c[2] == 3 && c[3] == 4);
    p->parallel(2, 2, 0, in, other, c, 2, false);
    ck_assert(c[0] == 0 && c[1] == 0 && c[2] == 0 && c[3] == 0);
}

void shape_tile(const struct wsrc *w, int r0, int nr, int c0, int nc, real *dst, int ld)
{
    (void)w;
    for (int r = 0; r < nr; r++)
        for (int c = 0; c < nc; c++) dst[r * ld + c] = (real)(1.0 / (3 + r0 + r) - 0.01 * (c0 + c));
}
