/* Row kernels of softmax and cross-entropy. Body file: see row_kernels.h. */
#include "core/log_portable.h"
#include "core/vmath.h"

/* max(scale * x) over a row. */
X16_FN real scaled_largest(const real *x, int n, x16 scale)
{
    int whole = n / X16 * X16, rest = n - whole;
    x16 most = x16_all(-(real)INFINITY);
    for (int c = 0; c < whole; c += X16) most = x16_max(most, x16_mul(x16_load(x + c), scale));
    if (rest > 0) most = x16_max(most, x16_first(x16_mul(x16_load_part(x + whole, rest), scale), rest, most));
    return x16_largest(most);
}

static void row_softmax(real *x, int n, real scale)
{
    if (n <= 0) return;
    int whole = n / X16 * X16, rest = n - whole;
    x16 s = x16_all(scale), most = x16_all(scaled_largest(x, n, s)), sum = x16_all(0), tail = sum;
    for (int c = 0; c < whole; c += X16) {
        x16 e = x16_exp(x16_sub(x16_mul(x16_load(x + c), s), most));
        x16_store(x + c, e);
        sum = x16_add(sum, e);
    }
    if (rest > 0) {
        tail = x16_exp(x16_sub(x16_mul(x16_load_part(x + whole, rest), s), most));
        sum = x16_add(sum, x16_first(tail, rest, x16_all(0)));
    }
    x16 inverse = x16_all(1 / x16_sum(sum));
    for (int c = 0; c < whole; c += X16) x16_store(x + c, x16_mul(x16_load(x + c), inverse));
    if (rest > 0) x16_store_part(x + whole, x16_mul(tail, inverse), rest);
}

static void row_softmax_backward(const real *p, real *dp, int n, real scale)
{
    int whole = n / X16 * X16, rest = n - whole;
    x16 p_tail = x16_load_part(p + whole, rest), g_tail = x16_load_part(dp + whole, rest);
    x16 sum = x16_mul(p_tail, g_tail), s = x16_all(scale);
    for (int c = 0; c < whole; c += X16) sum = x16_fma(x16_load(p + c), x16_load(dp + c), sum);
    x16 dot = x16_all(x16_sum(sum));
    for (int c = 0; c < whole; c += X16)
        x16_store(dp + c, x16_mul(x16_mul(s, x16_load(p + c)), x16_sub(x16_load(dp + c), dot)));
    if (rest > 0) x16_store_part(dp + whole, x16_mul(x16_mul(s, p_tail), x16_sub(g_tail, dot)), rest);
}

/* Sum of e^(x - most), in double over chunks: vocabularies are long. */
X16_FN double sum_of_exp(const real *x, int n, x16 most)
{
    enum { CHUNK = 1024 };
    double total = 0;
    for (int c0 = 0; c0 < n; c0 += CHUNK) {
        int end = n - c0 < CHUNK ? n : c0 + CHUNK, c = c0;
        x16 sum = x16_all(0);
        for (; c + X16 <= end; c += X16) sum = x16_add(sum, x16_exp(x16_sub(x16_load(x + c), most)));
        if (c < end) {
            x16 e = x16_exp(x16_sub(x16_load_part(x + c, end - c), most));
            sum = x16_add(sum, x16_first(e, end - c, x16_all(0)));
        }
        total += (double)x16_sum(sum);
    }
    return total;
}

static double row_cross_entropy(const real *x, int n, int label, real weight, real *d)
{
    real largest = scaled_largest(x, n, x16_all(1));
    x16 most = x16_all(largest);
    double sum = sum_of_exp(x, n, most), loss = log_portable(sum) + ((double)largest - (double)x[label]);
    if (d == NULL) return loss;
    real factor = (real)((double)weight / sum);
    x16 f = x16_all(factor);
    int whole = n / X16 * X16, rest = n - whole;
    for (int c = 0; c < whole; c += X16) x16_store(d + c, x16_mul(x16_exp(x16_sub(x16_load(x + c), most)), f));
    if (rest > 0) {
        x16 e = x16_exp(x16_sub(x16_load_part(x + whole, rest), most));
        x16_store_part(d + whole, x16_mul(e, f), rest);
    }
    d[label] -= weight;
    return loss;
}
