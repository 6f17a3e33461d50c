/* Dynamic fixed point against its definition, element by element, by every class of kernels that this machine has; the
 * rule itself on numbers that can be checked by hand; and that stochastic rounding is right in the mean. */
#include "tests/pgtest.h"

#include <float.h>
#include <math.h>
#include "core/cpu.h"
#include "core/fixed_point.h"
#include "core/parallel.h"

static const struct rng rng = {.seed = 7};
static const struct fixed_rounding nearest = {0}, drawn = {&rng, 3, 1, 12345};
static const struct fixed_groups together = {0};

static struct arena *arena;

static void setup(void)
{
    cpu_denormals_off();
    if (!arena) arena = arena_new("fixed point");
    parallel_set_threads(1);
}

/* ---- against the definition -------------------------------------------------------------------------------------- */

enum kind { NORMAL, TINY, HUGE_VALUES, MIXED, ZEROS, DENORMALS, WITH_NAN, WITH_INFINITY, KINDS };

static void fill(enum kind kind, real *x, int n)
{
    static const int shift[KINDS] = {[TINY] = -125, [HUGE_VALUES] = 124, [DENORMALS] = -133};
    for (int i = 0; i < n; i++) {
        double u = rng_uniform(&rng, RNG_DATA, 0, kind, 1, (uint64_t)i) - 0.5;
        int spread = kind == MIXED ? rng_below(&rng, RNG_DATA, 0, kind, 2, (uint64_t)i, 40) : 0;
        x[i] = kind == ZEROS ? 0 : (real)ldexp(8 * u, shift[kind] - spread);
    }
    if (kind == WITH_NAN) x[n / 2] = (real)NAN;
    if (kind == WITH_INFINITY) x[n / 2] = (real)-INFINITY;
}

static void compare(const struct fixed_source *s, int bits, const struct fixed_groups *groups,
                    const struct fixed_rounding *how, const char *what)
{
    struct fixed_tensor got, want;
    struct arena_mark mark = arena_mark(arena);
    ck_ok(fixed_map(s, bits, groups, how, arena, &got));
    want = got;
    want.m = arena_alloc(arena, sizeof *want.m * (size_t)(s->rows * s->cols));
    want.scale = arena_alloc(arena, sizeof *want.scale * (size_t)s->rows);
    fixed_map_reference(s, bits, groups, how, &want);
    for (int r = 0; r < s->rows; r++) {
        if (got.scale[r].lost != want.scale[r].lost || got.scale[r].exponent != want.scale[r].exponent)
            ck_abort_msg("%s, %d bits: scale of row %d is 2^%d, want 2^%d", what, bits, r, got.scale[r].exponent,
                         want.scale[r].exponent);
        for (int i = r * s->cols; i < (r + 1) * s->cols; i++)
            if (got.m[i] != want.m[i])
                ck_abort_msg("%s, %d bits, %d x %d: element %d is %d, want %d", what, bits, s->rows, s->cols, i,
                             got.m[i], want.m[i]);
    }
    arena_reset(arena, mark);
}

static void some_rows(const struct wsrc *w, int r0, int nr, int c0, int nc, real *dst, int ld)
{
    const real *all = w->ctx;
    for (int r = 0; r < nr; r++)
        for (int c = 0; c < nc; c++) dst[r * ld + c] = all[(r0 + r) * w->cols + c0 + c];
}

/* Every form of source, grouping and rounding of one shape. */
static void compare_all(enum kind kind, int rows, int cols, int bits)
{
    const struct fixed_rounding *how[] = {&nearest, &drawn};
    const int ld = cols + 3, cut[] = {0, rows / 3, rows};
    const struct fixed_groups groups[] = {together, {rows, NULL}, {2, cut}};
    static real x[33 * 1030];
    fill(kind, x, rows * ld);
    struct mat wide = {x, rows, cols, ld};
    struct wsrc tiles = {.rows = rows, .cols = cols, .tile = some_rows, .ctx = x}, dense = wsrc_dense(x, rows, cols);
    struct fixed_source from[] = {fixed_matrix(&wide), fixed_weight(&tiles), fixed_weight(&dense)};
    for (int i = 0; i < 3; i++)
        for (int g = 0; g < 3; g++)
            for (int h = 0; h < 2; h++) {
                parallel_set_threads(1 + (bits == 8) * (i + g + h) % 3);
                compare(&from[i], bits, &groups[g], how[h], i ? i == 1 ? "tiles" : "dense weight" : "matrix");
            }
}

START_TEST(every_class_is_the_definition)
{
    static const int shape[][2] = {{1, 1}, {2, 7}, {3, 8}, {5, 17}, {33, 64}, {4, 129}, {7, 300}, {3, 1025}};
    enum kind kind = (enum kind)(_i % KINDS);
    enum cpu_class class = (enum cpu_class)(_i / KINDS);
    setup();
    if (!cpu_has(class)) {
        if (kind == NORMAL)
            printf("SKIP fixed point by kernels of class %s: this machine lacks it\n", cpu_class_name(class));
        return;
    }
    ck_ok(cpu_force(class));
    int turn = 0;
    for (int bits = FIXED_BITS_MIN; bits <= FIXED_BITS_MAX; bits++)
        for (int s = 0; s < 3; s++, turn++) compare_all(kind, shape[turn % 8][0], shape[turn % 8][1], bits);
}
END_TEST

START_TEST(many_pieces)
{
    enum { ROWS = 500, COLS = 333 };
    static real x[ROWS * COLS];
    setup();
    fill(MIXED, x, ROWS * COLS);
    struct mat m = mat_of(x, ROWS, COLS);
    struct fixed_source s = fixed_matrix(&m);
    for (int threads = 1; threads <= 3; threads++) {
        parallel_set_threads(threads);
        compare(&s, 9, &together, &drawn, "many pieces");
    }
}
END_TEST

/* ---- by hand ----------------------------------------------------------------------------------------------------- */

static void expect(const real *x, int n, int bits, int exponent, const int *want)
{
    struct fixed_tensor t;
    struct mat m = mat_of((real *)x, 1, n);
    struct fixed_source s = fixed_matrix(&m);
    ck_ok(fixed_map(&s, bits, &together, &nearest, arena, &t));
    ck_assert(!t.scale[0].lost);
    ck_assert_int_eq(t.scale[0].exponent, exponent);
    for (int i = 0; i < n; i++) ck_assert_int_eq(t.m[i], want[i]);
}

START_TEST(rule)
{
    setup();
    const real ties[] = {1, 0.5f / 64, 1.5f / 64, 2.5f / 64, -0.5f / 64, -1.5f / 64, 3.5f / 64};
    expect(ties, 7, 8, -6, (const int[]){64, 0, 2, 2, 0, -2, 4});
    const real edge[] = {1.9999f, -1.9999f, 1.5f, 1, 0.1f}; /* the first two round to 128, which is clamped */
    expect(edge, 5, 8, -6, (const int[]){127, -127, 96, 64, 6});
    expect(edge, 5, 2, 0, (const int[]){1, -1, 1, 1, 0}); /* 1.5 to 2, clamped */
    const real zeros[] = {0, -0.0f, FLT_MIN / 4};
    expect(zeros, 3, 8, 0, (const int[]){0, 0, 0});
    const real largest[] = {FLT_MAX, -FLT_MAX};
    expect(largest, 2, 16, 127 - 14, (const int[]){32767, -32767});
    const real least[] = {FLT_MIN, -FLT_MIN};
    expect(least, 2, 16, -126 - 14, (const int[]){16384, -16384});
}
END_TEST

/* What is not finite must not become a number: neither with the scale of its own group, nor in a product. */
START_TEST(lost_tensors)
{
    setup();
    for (int kind = WITH_NAN; kind <= WITH_INFINITY; kind++) {
        real x[4 * 8];
        struct fixed_tensor t;
        fill((enum kind)kind, x, 32);
        struct mat m = mat_of(x, 4, 8);
        struct fixed_source s = fixed_matrix(&m);
        ck_ok(fixed_map(&s, 8, &together, &drawn, arena, &t));
        for (int r = 0; r < 4; r++) ck_assert(t.scale[r].lost);
        ck_ok(fixed_map(&s, 8, &(struct fixed_groups){4, NULL}, &drawn, arena, &t));
        for (int r = 0; r < 4; r++) ck_assert_int_eq(t.scale[r].lost, r == 2); /* x[16] */
        struct fixed_power p = fixed_power(t.scale[2], t.scale[0]);
        ck_assert(isnan(0 * p.factor[0] * p.factor[1]));
    }
}
END_TEST

/* A product of scales that no float holds is neither infinite nor zero before it is applied. */
START_TEST(powers)
{
    setup();
    for (int a = -140; a <= 113; a += 11)
        for (int b = -140; b <= 113; b += 11) {
            struct fixed_power p = fixed_power((struct fixed_scale){a, false}, (struct fixed_scale){b, false});
            double product = (double)p.factor[0] * (double)p.factor[1];
            ck_assert(p.factor[0] >= FLT_MIN && p.factor[1] >= FLT_MIN);
            ck_assert_msg(product == ldexp(1, a + b) || (a + b < -252 && product == ldexp(1, -252)), "2^%d 2^%d", a, b);
        }
}
END_TEST

/* ---- drawn numbers ----------------------------------------------------------------------------------------------- */

/* Over N independent draws the mean of m is x / scale up to half of the draws' own step, 2^-17, and its deviation is at
 * most 1 / (2 sqrt(N)); 5 deviations are passed by chance once in two million elements. An element that is exactly a
 * mantissa never moves. */
START_TEST(unbiased)
{
    enum { N = 1 << 14, COLS = 96 };
    static double sum[COLS];
    real x[COLS];
    setup();
    fill(NORMAL, x, COLS);
    x[0] = 4, x[1] = 0, x[2] = -2, x[3] = (real)1e-6, x[4] = (real)-1e-6;
    struct mat m = mat_of(x, 1, COLS);
    struct fixed_source s = fixed_matrix(&m);
    memset(sum, 0, sizeof sum);
    for (int step = 0; step < N; step++) {
        struct fixed_rounding how = {&rng, (uint64_t)(step / 4), step % 4, 99};
        struct arena_mark mark = arena_mark(arena);
        struct fixed_tensor t;
        if (fixed_map(&s, 6, &together, &how, arena, &t) != ST_OK || t.scale[0].exponent != 2 - 4)
            ck_abort_msg("the scale is 2^%d", t.scale[0].exponent);
        for (int c = 0; c < COLS; c++) sum[c] += t.m[c];
        arena_reset(arena, mark);
    }
    for (int c = 0; c < COLS; c++) {
        double ratio = (double)x[c] * 4, part = ratio - floor(ratio), bound = 0x1p-17;
        if (part > 0) bound += 5 * sqrt(part * (1 - part) / N) + 1.0 / N;
        ck_assert_msg(fabs(sum[c] / N - ratio) <= bound, "element %d: mean %.6f, want %.6f +- %.6f", c, sum[c] / N,
                      ratio, bound);
    }
}
END_TEST

/* Other seeds, steps, micro-batches, places, rows and columns draw others: of 4096 elements halfway between mantissas
 * about half move, with a deviation of 32. */
START_TEST(independent_draws)
{
    enum { N = 4096, COLS = 64, FORMS = 5 };
    static real x[N];
    static int16_t first[N];
    const struct rng other = {.seed = 8};
    const struct fixed_rounding how[FORMS] = {
        drawn, {&other, 3, 1, 12345}, {&rng, 4, 1, 12345}, {&rng, 3, 2, 12345}, {&rng, 3, 1, 12346}};
    setup();
    for (int i = 0; i < N; i++) x[i] = 1.5f;
    x[0] = 4;
    struct mat m = mat_of(x, N / COLS, COLS);
    struct fixed_source s = fixed_matrix(&m);
    for (int f = 0; f < FORMS; f++) {
        struct fixed_tensor t;
        int up = 0, same = 0, rows = 0, columns = 0;
        ck_ok(fixed_map(&s, 4, &together, &how[f], arena, &t)); /* scale 1 */
        if (f == 0) memcpy(first, t.m, sizeof first);
        for (int i = 1; i < N; i++) {
            if (t.m[i] != 1 && t.m[i] != 2) ck_abort_msg("1.5 becomes %d", t.m[i]);
            up += t.m[i] == 2;
            same += t.m[i] == first[i];
            columns += t.m[i] == t.m[i - 1];
            rows += i >= COLS && t.m[i] == t.m[i - COLS];
        }
        ck_assert_int_le(abs(up - N / 2), 5 * 32);
        ck_assert_int_le(abs(columns - N / 2), 5 * 32);
        ck_assert_int_le(abs(rows - (N - COLS) / 2), 5 * 32);
        if (f > 0) ck_assert_int_le(abs(same - N / 2), 5 * 32);
    }
}
END_TEST

START_TEST(no_memory)
{
    real x[6] = {1, 2, 3, 4, 5, 6};
    struct wsrc tiles = {.rows = 2, .cols = 3, .tile = some_rows, .ctx = x};
    struct fixed_source s = fixed_weight(&tiles);
    struct fixed_tensor t;
    setup();
    long before = arena_allocations();
    ck_ok(fixed_map(&s, 8, &together, &nearest, arena, &t));
    long count = arena_allocations() - before;
    ck_assert_int_ge(count, 4);
    for (long n = 1; n <= count; n++) {
        arena_fail_after(n);
        status st = fixed_map(&s, 8, &together, &nearest, arena, &t);
        arena_fail_after(0);
        ck_assert_int_eq(st, ST_MEMORY);
    }
}
END_TEST

PG_TESTS(LOOP_TEST(every_class_is_the_definition, 0, 3 * KINDS), TEST(many_pieces), TEST(rule), TEST(lost_tensors),
         TEST(powers), TEST(unbiased), TEST(independent_draws), TEST(no_memory))
