/* The number type of the compute code, and a matrix view over it.
 *
 * The product computes in float. A second build of core, models and methods with -DPG_DOUBLE computes in double: finite
 * differences and golden values then separate logic errors from rounding. Code that is not about precision says `real`
 * and never `float`. */
#ifndef PG_CORE_REAL_H
#define PG_CORE_REAL_H

#include <stddef.h>

#ifdef PG_DOUBLE
typedef double real;
#define PG_REAL_BYTES 8
#else
typedef float real;
#define PG_REAL_BYTES 4
#endif

/* A view of a row-major matrix: element (r, c) is a[r * ld + c]. Owns nothing. */
struct mat {
    real *a;
    int rows, cols;
    int ld; /* distance between rows, >= cols */
};

static inline struct mat mat_of(real *a, int rows, int cols)
{
    return (struct mat){a, rows, cols, cols};
}

/* Rows r0 .. r0+n-1 and columns c0 .. c0+k-1 of m, sharing its memory. */
static inline struct mat mat_part(const struct mat *m, int r0, int n, int c0, int k)
{
    return (struct mat){m->a + (size_t)r0 * (size_t)m->ld + c0, n, k, m->ld};
}

static inline real *mat_row(const struct mat *m, int r)
{
    return m->a + (size_t)r * (size_t)m->ld;
}

#endif
