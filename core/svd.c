#include "core/svd.h"

#include <math.h>
#include <string.h>
#include "core/gemm.h"
#include "core/parallel.h"
#include "core/rng.h"

/* ---- orthonormal columns ---- */

enum { GRAM_ROWS = 4, SOLVE_ROWS = 64 };

struct columns {
    real *x;
    int n, k;
    double *gram, *rows; /* [k, k]; [pieces, k] */
};

/* A few rows of the upper triangle, mirrored. */
static void gram_rows(void *ctx, int piece, int thread)
{
    const struct columns *c = ctx;
    int from = piece * GRAM_ROWS, to = from + GRAM_ROWS < c->k ? from + GRAM_ROWS : c->k;
    (void)thread;
    for (int i = from; i < to; i++) memset(c->gram + i * c->k, 0, sizeof(double) * (size_t)c->k);
    for (int t = 0; t < c->n; t++) {
        const real *x = c->x + (size_t)t * (size_t)c->k;
        for (int i = from; i < to; i++) {
            double *g = c->gram + i * c->k, xi = (double)x[i];
            for (int j = from; j < c->k; j++) g[j] += xi * (double)x[j];
        }
    }
}

void svd_gram(const real *x, int n, int k, double *gram)
{
    struct columns c = {.x = (real *)x, .n = n, .k = k, .gram = gram}; /* x is only read */
    parallel_for((k + GRAM_ROWS - 1) / GRAM_ROWS, gram_rows, &c);
    for (int i = 0; i < k; i++)
        for (int j = 0; j < i; j++) gram[i * k + j] = gram[j * k + i];
}

/* a becomes R, upper, with R'R = a. A row whose pivot is rounding only becomes 0. */
static void cholesky(double *a, int k)
{
    const double rounding = 1e-13;
    for (int i = 0; i < k; i++) {
        double *row = a + i * k, whole = row[i];
        for (int p = 0; p < i; p++) {
            const double *before = a + p * k;
            double factor = before[i];
            for (int j = i; j < k; j++) row[j] -= factor * before[j];
        }
        double pivot = row[i] > rounding * whole ? 1 / sqrt(row[i]) : 0;
        for (int j = i; j < k; j++) row[j] *= pivot;
    }
}

/* x R = x, some rows. */
static void solve_rows(void *ctx, int piece, int thread)
{
    const struct columns *c = ctx;
    double *row = c->rows + (size_t)piece * (size_t)c->k;
    (void)thread;
    for (int t = piece * SOLVE_ROWS; t < c->n && t < (piece + 1) * SOLVE_ROWS; t++) {
        real *x = c->x + (size_t)t * (size_t)c->k;
        for (int j = 0; j < c->k; j++) row[j] = (double)x[j];
        for (int i = 0; i < c->k; i++) {
            const double *r = c->gram + i * c->k;
            row[i] = r[i] > 0 ? row[i] / r[i] : 0;
            for (int j = i + 1; j < c->k; j++) row[j] -= row[i] * r[j];
        }
        for (int j = 0; j < c->k; j++) x[j] = (real)row[j];
    }
}

static int solve_pieces(int n)
{
    return (n + SOLVE_ROWS - 1) / SOLVE_ROWS;
}

size_t svd_orthonormalize_work(int n, int k)
{
    return (size_t)k * (size_t)k + (size_t)solve_pieces(n) * (size_t)k;
}

/* Twice: columns that nearly depend on each other lose their right angles the first time (Yamamoto et al. 2015). */
void svd_orthonormalize(real *x, int n, int k, double *work)
{
    double *gram = work;
    struct columns c = {.x = x, .n = n, .k = k, .gram = gram, .rows = work + (size_t)k * (size_t)k};
    for (int again = 0; again < 2; again++) {
        svd_gram(x, n, k, gram);
        cholesky(gram, k);
        parallel_for(solve_pieces(n), solve_rows, &c);
    }
}

/* ---- eigenvalues ---- */

static void turn_rows(double *p, double *q, int n, double c, double s)
{
    for (int i = 0; i < n; i++) {
        double x = p[i], y = q[i];
        p[i] = c * x - s * y;
        q[i] = s * x + c * y;
    }
}

static void turn(double *a, int n, int p, int q, double *vectors)
{
    double *ap = a + (size_t)p * (size_t)n, *aq = a + (size_t)q * (size_t)n, off = ap[q];
    double theta = (aq[q] - ap[p]) / (2 * off), size = fabs(theta) + sqrt(theta * theta + 1);
    double t = theta < 0 ? -1 / size : 1 / size, c = 1 / sqrt(t * t + 1), s = t * c;
    double pp = ap[p] - t * off, qq = aq[q] + t * off;
    turn_rows(ap, aq, n, c, s);
    for (int i = 0; i < n; i++)
        a[(size_t)i * (size_t)n + (size_t)p] = ap[i], a[(size_t)i * (size_t)n + (size_t)q] = aq[i];
    ap[p] = pp, aq[q] = qq, ap[q] = aq[p] = 0;
    turn_rows(vectors + (size_t)p * (size_t)n, vectors + (size_t)q * (size_t)n, n, c, s);
}

/* Whether the element beside the diagonal counts: against its two eigenvalues, and against the largest for those that
 * are rounding only. */
static bool counts(const double *a, int n, int p, int q, double largest)
{
    const double relative = 1e-15, absolute = 1e-19;
    double off = fabs(a[(size_t)p * (size_t)n + (size_t)q]), x = fabs(a[(size_t)p * (size_t)n + (size_t)p]),
           y = fabs(a[(size_t)q * (size_t)n + (size_t)q]);
    return off > absolute * largest && off > relative * sqrt(x * y);
}

static void sort_falling(double *a, int n, double *vectors)
{
    for (int i = 0; i < n; i++) {
        int best = i;
        for (int j = i + 1; j < n; j++)
            if (a[(size_t)j * (size_t)n + (size_t)j] > a[(size_t)best * (size_t)n + (size_t)best]) best = j;
        if (best == i) continue;
        double *x = vectors + (size_t)i * (size_t)n, *y = vectors + (size_t)best * (size_t)n;
        double value = a[(size_t)i * (size_t)n + (size_t)i];
        a[(size_t)i * (size_t)n + (size_t)i] = a[(size_t)best * (size_t)n + (size_t)best];
        a[(size_t)best * (size_t)n + (size_t)best] = value;
        for (int k = 0; k < n; k++) value = x[k], x[k] = y[k], y[k] = value;
    }
}

void svd_eigen(double *a, int n, double *vectors)
{
    enum { SWEEPS = 60 }; /* some six are needed */
    double largest = 0;
    memset(vectors, 0, sizeof *vectors * (size_t)n * (size_t)n);
    for (int i = 0; i < n; i++) {
        vectors[(size_t)i * (size_t)n + (size_t)i] = 1;
        largest = fmax(largest, fabs(a[(size_t)i * (size_t)n + (size_t)i]));
    }
    bool turned = true;
    for (int sweep = 0; sweep < SWEEPS && turned; sweep++) {
        turned = false;
        for (int p = 0; p < n; p++)
            for (int q = p + 1; q < n; q++)
                if (counts(a, n, p, q, largest)) {
                    turn(a, n, p, q, vectors);
                    turned = true;
                }
    }
    sort_falling(a, n, vectors);
}

/* ---- the decomposition ---- */

static int least(int a, int b)
{
    return a < b ? a : b;
}

status svd_begin(int rows, int cols, int rank, struct arena *arena, struct svd *d)
{
    int smaller = least(rows, cols);
    *d = (struct svd){.rows = rows, .cols = cols, .rank = least(rank, smaller)};
    d->exact = smaller <= SVD_EXACT || d->rank + SVD_MORE >= smaller;
    d->width = d->exact ? smaller : d->rank + SVD_MORE;
    real *u, *v;
    size_t width = (size_t)d->width;
    NEW(d->s, arena, d->rank);
    NEW(u, arena, (size_t)rows * (size_t)d->rank);
    NEW(v, arena, (size_t)cols * (size_t)d->rank);
    NEW(d->left, arena, (size_t)rows * width);
    NEW(d->basis, arena, (size_t)cols * width);
    NEW(d->image, arena, (size_t)rows * width);
    NEW(d->turned, arena, width * width);
    NEW(d->gram, arena, width * width);
    NEW(d->vectors, arena, width * width);
    NEW(d->work, arena, svd_orthonormalize_work(rows > cols ? rows : cols, d->width));
    d->u = mat_of(u, rows, d->rank);
    d->v = mat_of(v, cols, d->rank);
    return ST_OK;
}

static struct gemm_in plain(const real *p, int ld)
{
    return (struct gemm_in){.p = p, .ld = ld};
}

static void identity(real *x, int n)
{
    memset(x, 0, sizeof *x * (size_t)n * (size_t)n);
    for (int i = 0; i < n; i++) x[(size_t)i * (size_t)n + (size_t)i] = 1;
}

/* B: the range of A' L. A complete decomposition needs no search: B or L is the identity. */
static void find_basis(struct svd *d, const struct mat *a)
{
    const struct rng fixed = {.seed = 0};
    if (d->exact && d->cols <= d->rows) {
        identity(d->basis, d->cols);
        return;
    }
    if (d->exact)
        identity(d->left, d->rows);
    else if (!d->started)
        rng_fill_normal(&fixed, "svd", d->left, (size_t)d->rows * (size_t)d->width, 0, 1);
    for (int pass = d->exact || d->started ? 1 : SVD_FIRST; pass > 0; pass--) {
        struct gemm_in turned = {.p = a->a, .ld = a->ld, .trans = true};
        gemm(d->cols, d->width, d->rows, turned, plain(d->left, d->width), d->basis, d->width, false);
        svd_orthonormalize(d->basis, d->cols, d->width, d->work);
        if (pass == 1) break;
        gemm(d->rows, d->width, d->cols, plain(a->a, a->ld), plain(d->basis, d->width), d->left, d->width, false);
        svd_orthonormalize(d->left, d->rows, d->width, d->work);
    }
}

static double singular_value(const struct svd *d, int i)
{
    double square = d->gram[(size_t)i * (size_t)d->width + (size_t)i];
    return square > 0 ? sqrt(square) : 0;
}

void svd_compute(struct svd *d, const struct mat *a)
{
    int k = d->width;
    find_basis(d, a);
    gemm(d->rows, k, d->cols, plain(a->a, a->ld), plain(d->basis, k), d->image, k, false);
    svd_gram(d->image, d->rows, k, d->gram);
    svd_eigen(d->gram, k, d->vectors);
    double rounding = 1e-7 * singular_value(d, 0); /* of floats, and of the squares in gram */
    for (int i = 0; i < k; i++)
        for (int j = 0; j < k; j++) d->turned[(size_t)j * (size_t)k + (size_t)i] = (real)d->vectors[i * k + j];
    for (int i = 0; i < d->rank; i++) d->s[i] = singular_value(d, i) > rounding ? singular_value(d, i) : 0;
    gemm(d->cols, d->rank, k, plain(d->basis, k), plain(d->turned, k), d->v.a, d->v.ld, false);
    for (int i = 0; i < k; i++) {
        double s = singular_value(d, i), inverse = s > rounding ? 1 / s : 0;
        for (int j = 0; j < k; j++)
            d->turned[(size_t)j * (size_t)k + (size_t)i] = (real)(d->vectors[i * k + j] * inverse);
    }
    gemm(d->rows, k, k, plain(d->image, k), plain(d->turned, k), d->left, k, false);
    for (int r = 0; r < d->rows; r++)
        memcpy(mat_row(&d->u, r), d->left + (size_t)r * (size_t)k, sizeof(real) * (size_t)d->rank);
    d->started = true;
}
