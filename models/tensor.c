/* Tensors of checkpoints: element types, extents, conversion of any layout to row-major numbers, tile sources. */
#include "models/checkpoint.h"

#include <limits.h>
#include <string.h>
#include "core/small_floats.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "weight files are little-endian and are used in place");

#define LOADER(name, type) \
    static double load_##name(const unsigned char *p) \
    { \
        type v; \
        memcpy(&v, p, sizeof v); \
        return (double)v; \
    }
LOADER(f32, float)
LOADER(f64, double)
LOADER(i64, int64_t)
LOADER(i32, int32_t)
LOADER(i16, int16_t)
LOADER(i8, int8_t)
LOADER(u64, uint64_t)
LOADER(u32, uint32_t)
LOADER(u16, uint16_t)
LOADER(u8, uint8_t)

static double load_bool(const unsigned char *p)
{
    return *p != 0;
}

static double load_bf16(const unsigned char *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return (double)bf16_value(h);
}

static double load_f16(const unsigned char *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return (double)f16_value(h);
}

static const struct {
    const char *name;
    int bytes;
    double (*load)(const unsigned char *);
} types[] = {
    [DT_F32] = {"F32", 4, load_f32},    [DT_F16] = {"F16", 2, load_f16}, [DT_BF16] = {"BF16", 2, load_bf16},
    [DT_F64] = {"F64", 8, load_f64},    [DT_I64] = {"I64", 8, load_i64}, [DT_I32] = {"I32", 4, load_i32},
    [DT_I16] = {"I16", 2, load_i16},    [DT_I8] = {"I8", 1, load_i8},    [DT_U8] = {"U8", 1, load_u8},
    [DT_BOOL] = {"BOOL", 1, load_bool}, [DT_U16] = {"U16", 2, load_u16}, [DT_U32] = {"U32", 4, load_u32},
    [DT_U64] = {"U64", 8, load_u64},
};

int dtype_bytes(enum dtype d)
{
    return types[d].bytes;
}

const char *dtype_name(enum dtype d)
{
    return types[d].name;
}

int dtype_by_name(const char *name)
{
    for (int i = 0; i < (int)(sizeof types / sizeof types[0]); i++)
        if (strcmp(types[i].name, name) == 0) return i;
    return -1;
}

status tensor_extent(const char *file, const char *name, enum dtype d, int dims, const int64_t *shape,
                     uint64_t *elements, uint64_t *bytes)
{
    uint64_t n = 1;
    int overflow = 0;
    for (int i = 0; i < dims; i++) {
        FAIL_IF(shape[i] < 0, ST_INPUT, "%s: tensor '%s': extent %lld is negative", file, name, (long long)shape[i]);
        overflow |= __builtin_mul_overflow(n, (uint64_t)shape[i], &n);
    }
    overflow |= __builtin_mul_overflow(n, (uint64_t)dtype_bytes(d), bytes);
    /* 16: the values as double must be countable too, whatever they are stored as */
    FAIL_IF(overflow || *bytes > INT64_MAX / 16, ST_INPUT, "%s: tensor '%s': its shape is larger than any memory", file,
            name);
    *elements = n;
    return ST_OK;
}

size_t tensor_size(const struct tensor *t)
{
    size_t n = 1;
    for (int i = 0; i < t->dims; i++) n *= (size_t)t->shape[i];
    return n;
}

int tensor_contiguous(const struct tensor *t)
{
    int64_t run = 1;
    if (tensor_size(t) == 0) return 1;
    for (int i = t->dims - 1; i >= 0; i--) {
        if (t->shape[i] != 1 && t->stride[i] != run) return 0;
        run *= t->shape[i];
    }
    return 1;
}

void tensor_each_row(const struct tensor *t, tensor_row_fn *fn, void *ctx)
{
    int64_t at[TENSOR_DIMS] = {0}; /* position in all dimensions but the last */
    int outer = t->dims - 1;
    size_t step = (size_t)dtype_bytes(t->dtype), left = tensor_size(t);
    size_t n = t->dims > 0 ? (size_t)t->shape[outer] : 1;
    int64_t stride = t->dims > 0 ? t->stride[outer] : 1;
    const unsigned char *p = t->data;
    while (left > 0) {
        fn(ctx, p, n, (size_t)stride * step);
        left -= n;
        for (int i = outer - 1; i >= 0; i--) {
            p += (size_t)t->stride[i] * step;
            if (++at[i] < t->shape[i]) break;
            p -= (size_t)t->stride[i] * (size_t)t->shape[i] * step;
            at[i] = 0;
        }
    }
}

struct sink {
    double (*load)(const unsigned char *);
    float *f;
    double *d;
};

static void row_to_f32(void *ctx, const unsigned char *p, size_t n, size_t step)
{
    struct sink *s = ctx;
    for (size_t i = 0; i < n; i++) *s->f++ = (float)s->load(p + i * step);
}

static void row_to_f64(void *ctx, const unsigned char *p, size_t n, size_t step)
{
    struct sink *s = ctx;
    for (size_t i = 0; i < n; i++) *s->d++ = s->load(p + i * step);
}

static status check_room(const struct tensor *t, size_t n)
{
    FAIL_IF(tensor_size(t) != n, ST_INPUT, "%s: tensor '%s' has %zu values, expected %zu", t->file, t->name,
            tensor_size(t), n);
    return ST_OK;
}

status tensor_to_f32(const struct tensor *t, float *out, size_t n)
{
    TRY(check_room(t, n));
    tensor_each_row(t, row_to_f32, &(struct sink){.load = types[t->dtype].load, .f = out});
    return ST_OK;
}

status tensor_to_f64(const struct tensor *t, double *out, size_t n)
{
    TRY(check_room(t, n));
    tensor_each_row(t, row_to_f64, &(struct sink){.load = types[t->dtype].load, .d = out});
    return ST_OK;
}

status floats_store(enum dtype d, const float *x, size_t n, void *out)
{
    uint16_t *half = out;
    switch (d) {
    case DT_F32: memcpy(out, x, n * sizeof *x); return ST_OK;
    case DT_F16:
        for (size_t i = 0; i < n; i++) half[i] = f16_of(x[i]);
        return ST_OK;
    case DT_BF16:
        for (size_t i = 0; i < n; i++) half[i] = bf16_of(x[i]);
        return ST_OK;
    default: return fail(ST_UNSUPPORTED, "floats cannot be stored as %s", dtype_name(d));
    }
}

static int aligned(const struct tensor *t)
{
    return (uintptr_t)t->data % (uintptr_t)dtype_bytes(t->dtype) == 0;
}

static status converted_source(const struct tensor *t, int rows, int cols, struct arena *keep, struct wsrc *out)
{
    real *w;
    size_t n = (size_t)rows * (size_t)cols;
    NEW(w, keep, n);
#ifdef PG_DOUBLE
    TRY(tensor_to_f64(t, w, n));
#else
    TRY(tensor_to_f32(t, w, n));
#endif
    *out = wsrc_dense(w, rows, cols);
    return ST_OK;
}

status tensor_source(const struct tensor *t, struct arena *keep, struct wsrc *out)
{
    FAIL_IF(t->dims > 2, ST_INPUT, "%s: tensor '%s' has %d dimensions, expected a matrix or a vector", t->file, t->name,
            t->dims);
    int64_t r = t->dims == 2 ? t->shape[0] : 1, c = t->dims > 0 ? t->shape[t->dims - 1] : 1;
    FAIL_IF(r > INT_MAX || c > INT_MAX, ST_INPUT, "%s: tensor '%s': %lld x %lld is too large", t->file, t->name,
            (long long)r, (long long)c);
    int rows = (int)r, cols = (int)c, in_place = tensor_contiguous(t) && aligned(t);
    switch (t->dtype) {
    case DT_F32:
        if (!in_place) return converted_source(t, rows, cols, keep, out);
#ifdef PG_DOUBLE
        *out = wsrc_f32(t->data, rows, cols);
#else
        *out = wsrc_dense((const float *)(const void *)t->data, rows, cols);
#endif
        return ST_OK;
    case DT_F16:
        if (!in_place) return converted_source(t, rows, cols, keep, out);
        *out = wsrc_f16(t->data, rows, cols);
        return ST_OK;
    case DT_BF16:
        if (!in_place) return converted_source(t, rows, cols, keep, out);
        *out = wsrc_bf16(t->data, rows, cols);
        return ST_OK;
    case DT_F64: return converted_source(t, rows, cols, keep, out);
    default:
        return fail(ST_INPUT, "%s: tensor '%s' holds whole numbers (%s), expected floating point", t->file, t->name,
                    dtype_name(t->dtype));
    }
}
