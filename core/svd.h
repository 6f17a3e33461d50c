/* Truncated singular value decompositions A ~ U diag(s) V' that are the same bits on every machine: products are those
 * of core/gemm.h, the small matrices in between are double arithmetic in a fixed order, square roots included, and
 * random numbers are a function of the shape. No LAPACK.
 *
 * Subspace iteration (Halko, Martinsson and Tropp 2011) on rank + SVD_MORE columns: with L [rows, width] the start,
 *
 *     B = orth(A' L),  Y = A B,  Y'Y = W diag(s^2) W',  U = Y W diag(1/s),  V = B W
 *
 * and U, all of its columns, is the next L. One pass costs two products with A. The first call on a struct svd begins
 * from drawn numbers and makes SVD_FIRST passes, further calls go on from the U before with one pass: for a matrix that
 * changes little from call to call, as in an alternating decomposition, they come ever nearer to its best subspace.
 * Matrices with at most SVD_EXACT rows or columns, or no more than `width`, are decomposed completely at each call. */
#ifndef PG_CORE_SVD_H
#define PG_CORE_SVD_H

#include <stdbool.h>
#include <stddef.h>
#include "core/arena.h"
#include "core/real.h"
#include "core/status.h"

enum { SVD_MORE = 10, SVD_FIRST = 4, SVD_EXACT = 96 };

struct svd {
    int rows, cols;
    int rank;     /* at most the smaller of rows and cols */
    double *s;    /* [rank] falling */
    struct mat u; /* [rows, rank]; columns of a singular value that is 0 may be 0 */
    struct mat v; /* [cols, rank] */
    /* inside */
    int width;
    bool exact, started;
    real *left, *basis, *image, *turned; /* L [rows, width], B [cols, width], Y [rows, width], [width, width] */
    double *gram, *vectors, *work;       /* [width, width] twice; svd_orthonormalize_work */
};

/* Memory comes from the arena, working memory too. */
status svd_begin(int rows, int cols, int rank, struct arena *, struct svd *);
/* Of a [rows, cols], whose values are finite. */
void svd_compute(struct svd *, const struct mat *a);

/* ---- its parts --------------------------------------------------------------------------------------------------- */

/* gram [k, k] = x' x, x [n, k] with row distance k; each element is one chain over the rows in double. */
void svd_gram(const real *x, int n, int k, double *gram);
/* Makes the columns of x [n, k] orthonormal, spanning what they spanned. A column that depends on those before it, but
 * for rounding, becomes 0. work: svd_orthonormalize_work(n, k) numbers. */
void svd_orthonormalize(real *x, int n, int k, double *work);
size_t svd_orthonormalize_work(int n, int k);
/* Cyclic Jacobi: a [n, n], symmetric, becomes diagonal with its eigenvalues falling; row i of vectors [n, n] is the
 * eigenvector of the ith. */
void svd_eigen(double *a, int n, double *vectors);

#endif
