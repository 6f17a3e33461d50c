#include "tests/product_shapes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
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

/* ---- what comes after a product ---------------------------------------------------------------------------------- */

/* Twice, or not at all, would show. */
static void change_once(const void *ctx, int r0, int rows, int c0, int cols)
{
    const struct mat *c = ctx;
    for (int r = r0; r < r0 + rows; r++)
        for (int j = c0; j < c0 + cols; j++) mat_row(c, r)[j] = 3 * mat_row(c, r)[j] + 1;
}

struct layer {
    const struct products *products;
    struct mat x, y, dx;
    struct wsrc w;
    const real *bias;
    struct gemm_after up, down;
};

static void run_layer(void *ctx, int i, int thread)
{
    struct layer *l = ctx;
    (void)i, (void)thread;
    l->products->linear_forward(&l->x, &l->w, l->bias, &l->up, &l->y);
    l->products->linear_backward_x(&l->y, &l->w, &l->down, &l->dx, true);
}

/* y [m, n] = x w' + bias */
static void reference_forward(const struct product *p, int m, int n, int k, struct gemm_in x, struct gemm_in w,
                              const real *bias, real *y)
{
    for (int i = 0; i < m * n; i++) y[i] = bias[i % n];
    p->reference(m, n, k, x, w, y, n, p->from_bias);
    for (int i = 0; !p->from_bias && i < m * n; i++) y[i] += bias[i % n];
}

static void reference_layer(const struct product *p, const struct layer *l, struct mat *y, struct mat *dx)
{
    int m = l->x.rows, n = l->w.rows, k = l->w.cols;
    struct gemm_in x = {.p = l->x.a, .ld = k}, w = {.p = l->w.dense, .ld = k, .trans = true}, dy = {.p = y->a, .ld = n};
    reference_forward(p, m, n, k, x, w, l->bias, y->a);
    if (l->up.plus) p->reference(m, n, l->up.plus->k, l->up.plus->a, l->up.plus->b, y->a, n, true);
    if (l->up.finish) change_once(y, 0, m, 0, n);
    w.trans = false;
    p->reference(m, k, n, dy, w, dx->a, k, true);
    if (l->down.plus) p->reference(m, k, l->down.plus->k, l->down.plus->a, l->down.plus->b, dx->a, k, true);
    if (l->down.finish) change_once(dx, 0, m, 0, k);
}

static void compare_layer(const struct product *p, struct layer *l)
{
    int m = l->x.rows, n = l->w.rows, k = l->w.cols;
    size_t ys = (size_t)m * (size_t)n, xs = (size_t)m * (size_t)k;
    real *want = shape_values(p, ys), *want_dx = shape_values(p, xs + 1), *before = shape_values(p, xs + 1);
    struct mat y = mat_of(want, m, n), dx = mat_of(want_dx, m, k);
    memcpy(before, want_dx, sizeof(real) * xs);
    reference_layer(p, l, &y, &dx);
    enum cpu_class have[SHAPE_CLASSES];
    int classes = shape_classes(p, have);
    for (int turn = 0; turn < 2 * classes; turn++) {
        ck_ok(cpu_force(have[turn / 2]));
        memcpy(l->dx.a, before, sizeof(real) * xs);
        if (turn % 2)
            parallel_for(1, run_layer, l);
        else
            run_layer(l, 0, 0);
        ck_assert_msg(memcmp(l->y.a, want, sizeof(real) * ys) == 0, "output, turn %d", turn);
        ck_assert_msg(memcmp(l->dx.a, want_dx, sizeof(real) * xs) == 0, "input gradient, turn %d", turn);
    }
    free(want), free(want_dx), free(before);
}

void shape_check_after(const struct product *p, const struct products *products, const struct layer_shape *s)
{
    int m = s->m, n = s->n, k = s->k, rank = s->rank;
    real *x = shape_values(p, (size_t)(m * k) + 1), *w = shape_values(p, (size_t)(n * k) + 1);
    real *y = shape_values(p, (size_t)(m * n)), *dx = shape_values(p, (size_t)(m * k) + 1);
    real *z = shape_values(p, (size_t)(m * rank) + 1), *bias = shape_values(p, (size_t)n);
    real *b = shape_values(p, (size_t)(rank * n) + 1), *a = shape_values(p, (size_t)(rank * k) + 1);
    struct layer l = {products, mat_of(x, m, k), mat_of(y, m, n), mat_of(dx, m, k), wsrc_dense(w, n, k), bias, {0},
                      {0}};
    const struct gemm_term up = {rank, {.p = z, .ld = rank}, {.p = b, .ld = n}},
                           down = {rank, {.p = z, .ld = rank}, {.p = a, .ld = k}};
    const struct gemm_finish of_y = {change_once, &l.y}, of_dx = {change_once, &l.dx};
    for (int with = 0; with < 4; with++) {
        l.up = (struct gemm_after){with & 1 ? &up : NULL, with & 2 ? &of_y : NULL};
        l.down = (struct gemm_after){with & 1 ? &down : NULL, with & 2 ? &of_dx : NULL};
        compare_layer(p, &l);
    }
    free(x), free(w), free(y), free(dx), free(z), free(bias), free(b), free(a);
}

/* ---- what a product must not touch ------------------------------------------------------------------------------- */

/* n values, the last (or first) of them beside a page that may be neither read nor written. */
struct fenced {
    real *at;
    char *pages;
    size_t bytes;
};

static struct fenced fenced(const struct product *p, size_t n, bool last)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), need = n * sizeof(real), inside = (need + page - 1) / page * page;
    struct fenced f = {.bytes = inside + 2 * page};
    f.pages = mmap(NULL, f.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_msg(f.pages != MAP_FAILED, "no memory");
    ck_assert_int_eq(mprotect(f.pages, page, PROT_NONE) | mprotect(f.pages + page + inside, page, PROT_NONE), 0);
    f.at = (real *)(void *)(f.pages + page + (last ? inside - need : 0));
    for (size_t i = 0; i < n; i++) f.at[i] = p->value();
    return f;
}

static void check_fenced(const struct product *p, const struct products *products, const struct shape *s, bool last)
{
    int m = s->m, n = s->n, k = s->k;
    struct fenced a = fenced(p, (size_t)(m * k), last), b = fenced(p, (size_t)(k * n), last);
    struct fenced c = fenced(p, (size_t)(m * n), last), bias = fenced(p, (size_t)n, last);
    struct gemm_in in_a = {.p = a.at, .ld = s->ta ? m : k, .trans = s->ta},
                   in_b = {.p = b.at, .ld = s->tb ? k : n, .trans = s->tb};
    struct gemm_in in_x = {.p = a.at, .ld = k}, in_w = {.p = b.at, .ld = k, .trans = true};
    const size_t size = (size_t)(m * n);
    real *old = shape_values(p, size), *want = shape_values(p, size), *with_bias = shape_values(p, size);
    memcpy(want, old, sizeof(real) * size);
    p->reference(m, n, k, in_a, in_b, want, n, s->accumulate);
    reference_forward(p, m, n, k, in_x, in_w, bias.at, with_bias);
    struct mat x = mat_of(a.at, m, k), y = mat_of(c.at, m, n);
    struct wsrc w = wsrc_dense(b.at, n, k);
    enum cpu_class have[SHAPE_CLASSES];
    int classes = shape_classes(p, have);
    for (int i = 0; i < classes; i++) {
        ck_ok(cpu_force(have[i]));
        memcpy(c.at, old, sizeof(real) * size);
        p->parallel(m, n, k, in_a, in_b, c.at, n, s->accumulate);
        shape_same(want, c.at, m, n, n, s, cpu_class_name(have[i]));
        products->linear_forward(&x, &w, bias.at, NULL, &y);
        shape_same(with_bias, c.at, m, n, n, s, "with a bias");
    }
    munmap(a.pages, a.bytes), munmap(b.pages, b.bytes), munmap(c.pages, c.bytes), munmap(bias.pages, bias.bytes);
    free(old), free(want), free(with_bias);
}

void shape_check_beside(const struct product *p, const struct products *products, bool last)
{
    static const int some[] = {1, 6, 16, 21, 44, 67}, depths[] = {33, 1, 8, 40};
    enum { SOME = sizeof some / sizeof some[0] };
    for (int pair = 0; pair < SOME * SOME; pair++)
        for (int form = 0; form < 8; form++) { /* both orders of A and of B, set and added to */
            const struct shape s = {some[pair / SOME], some[pair % SOME], depths[pair % 4],
                                    form & 1,          (form & 2) != 0,   (form & 4) != 0};
            check_fenced(p, products, &s, last);
        }
}
