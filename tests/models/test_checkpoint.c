/* Checkpoints: the safetensors reader against broken and hostile files, the writer, folders and shards, tile sources,
 * the content hash. Broken files are made here; the reference data adds its own. */
#include "tests/pgtest.h"

#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>
#include "core/file.h"
#include "models/checkpoint.h"

static struct arena *arena;
static char dir[4096];
static struct checkpoint c;

static void begin(void)
{
    arena = arena_new("test");
    snprintf(dir, sizeof dir, "%s", temp_dir());
    notice_quiet(1);
}

static const char *in_dir(const char *name)
{
    return path_join(arena, dir, name);
}

/* Not the atomic writer: its fsync would dominate the thousands of files made here. */
static void put_bytes(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

/* A safetensors file of this header and n bytes 0, 1, 2 ... of data. */
static void put_raw(const char *name, const char *header, size_t n)
{
    size_t h = strlen(header);
    unsigned char *p = arena_alloc(arena, 8 + h + n);
    uint64_t length = h;
    memcpy(p, &length, 8);
    memcpy(p + 8, header, h);
    for (size_t i = 0; i < n; i++) p[8 + h + i] = (unsigned char)i;
    put_bytes(in_dir(name), p, 8 + h + n);
}

static void put_text(const char *name, const char *text)
{
    put_bytes(in_dir(name), text, strlen(text));
}

static double sum_of_all(const struct checkpoint *ck)
{
    double sum = 0;
    for (int i = 0; i < ck->count; i++) {
        size_t n = tensor_size(&ck->tensor[i]);
        double *v = arena_alloc(arena, n * sizeof *v);
        ck_ok(tensor_to_f64(&ck->tensor[i], v, n));
        for (size_t k = 0; k < n; k++) sum += v[k];
    }
    return sum;
}

/* ---- safetensors ------------------------------------------------------------------------------------------------- */

START_TEST(writes_and_reads_every_type)
{
    const float f[6] = {1, -2, 3.5f, 0, 1e30f, -1e-30f};
    const uint16_t half[4] = {0x3C00, 0xC500, 0x0001, 0x7BFF}, brain[2] = {0x3FC0, 0xC2C8};
    const double d[1] = {3.141592653589793};
    const int64_t i64[2] = {-5, 1 << 30};
    const int32_t i32[1] = {-7};
    const int16_t i16[1] = {-8};
    const int8_t i8[1] = {-9};
    const uint8_t u8[1] = {250}, yes[2] = {1, 0};
    const uint16_t u16[1] = {65535};
    const uint32_t u32[1] = {4294967295u};
    const uint64_t u64[1] = {1};
    const struct tensor_out out[] = {
        {"matrix", DT_F32, 2, {2, 3}, f},   {"half", DT_F16, 1, {4}, half},
        {"brain", DT_BF16, 1, {2}, brain},  {"double", DT_F64, 0, {0}, d},
        {"i64", DT_I64, 1, {2}, i64},       {"i32", DT_I32, 1, {1}, i32},
        {"i16", DT_I16, 1, {1}, i16},       {"i8", DT_I8, 1, {1}, i8},
        {"u8", DT_U8, 1, {1}, u8},          {"bool", DT_BOOL, 1, {2}, yes},
        {"u16", DT_U16, 1, {1}, u16},       {"u32", DT_U32, 1, {1}, u32},
        {"empty", DT_F32, 2, {0, 7}, NULL}, {"\"q\" \xC3\xA9", DT_U64, 3, {1, 1, 1}, u64},
    };
    const char *const meta[] = {"format", "pt", "note", "a \"quoted\" word", NULL};
    const struct {
        const char *name;
        int n;
        double v[6];
    } want[] = {{"matrix", 6, {1, -2, 3.5, 0, (double)1e30f, (double)-1e-30f}},
                {"half", 4, {1, -5, 0x1p-24, 65504}},
                {"brain", 2, {1.5, -100}},
                {"double", 1, {3.141592653589793}},
                {"i64", 2, {-5, 1 << 30}},
                {"i32", 1, {-7}},
                {"i16", 1, {-8}},
                {"i8", 1, {-9}},
                {"u8", 1, {250}},
                {"bool", 2, {1, 0}},
                {"u16", 1, {65535}},
                {"u32", 1, {4294967295.0}},
                {"empty", 0, {0}},
                {"\"q\" \xC3\xA9", 1, {1}}};
    begin();
    const char *path = in_dir("a.safetensors");
    ck_ok(safetensors_write(path, out, sizeof out / sizeof out[0], meta));
    ck_ok(checkpoint_open(path, arena, &c));
    ck_assert_int_eq(c.count, sizeof out / sizeof out[0]);
    uint64_t length;
    memcpy(&length, c.map[0].data, 8);
    ck_assert_uint_eq(length % 8, 0);
    ck_assert_ptr_nonnull(memmem(c.map[0].data, c.map[0].size, "\"note\":\"a \\\"quoted\\\" word\"", 26));
    for (int i = 1; i < c.count; i++) ck_assert_int_lt(strcmp(c.tensor[i - 1].name, c.tensor[i].name), 0);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        double v[6];
        float s[6];
        const struct tensor *t = checkpoint_find(&c, want[i].name);
        ck_assert_msg(t != NULL, "%s is missing", want[i].name);
        ck_assert_uint_eq(tensor_size(t), want[i].n);
        ck_ok(tensor_to_f64(t, v, (size_t)want[i].n));
        ck_ok(tensor_to_f32(t, s, (size_t)want[i].n));
        for (int k = 0; k < want[i].n; k++)
            ck_assert_msg(v[k] == want[i].v[k] && s[k] == (float)want[i].v[k], "%s[%d] = %g", want[i].name, k, v[k]);
        ck_fails(tensor_to_f64(t, v, 17), ST_INPUT, "values, expected 17");
    }
    ck_assert_ptr_null(checkpoint_find(&c, "matri"));
    checkpoint_close(&c);
    checkpoint_close(&c);
    ck_assert_ptr_null(checkpoint_find(&c, "matrix"));
    arena_free(arena);
}
END_TEST

START_TEST(special_halves)
{
    const uint16_t h[] = {0x7C00, 0xFC00, 0x7E00, 0x8000, 0x03FF, 0x0400, 0x83FF};
    double v[7];
    begin();
    ck_ok(safetensors_write(in_dir("h.safetensors"), &(struct tensor_out){"h", DT_F16, 1, {7}, h}, 1, NULL));
    ck_ok(checkpoint_open(in_dir("h.safetensors"), arena, &c));
    ck_ok(tensor_to_f64(&c.tensor[0], v, 7));
    ck_assert(isinf(v[0]) && v[0] > 0 && isinf(v[1]) && v[1] < 0 && isnan(v[2]));
    ck_assert(v[3] == 0 && signbit(v[3]));
    ck_assert(v[4] == 1023 * 0x1p-24 && v[5] == 0x1p-14 && v[6] == -1023 * 0x1p-24);
    checkpoint_close(&c);
    arena_free(arena);
}
END_TEST

/* Every half and every bfloat16 survives the way to float and back; between two of them the nearer one is taken, and at
 * the middle the even one. */
START_TEST(stores_rounded_floats)
{
    const enum dtype types[2] = {DT_F16, DT_BF16};
    begin();
    for (int k = 0; k < 2; k++) {
        uint16_t *bits = arena_alloc(arena, 65536 * 2), *back = arena_alloc(arena, 65536 * 2), one;
        float *x = arena_alloc(arena, 65536 * 4);
        for (int i = 0; i < 65536; i++) bits[i] = (uint16_t)i;
        struct tensor t = {.name = "t", .dtype = types[k], .dims = 1, .shape = {65536}, .stride = {1}};
        t.data = (const unsigned char *)bits;
        ck_ok(tensor_to_f32(&t, x, 65536));
        ck_ok(floats_store(types[k], x, 65536, back));
        uint16_t infinite = k == 0 ? 0x7C00 : 0x7F80;
        for (uint32_t i = 0; i < 65536; i++) {
            if ((i & 0x7FFF) > infinite)
                ck_assert_msg((back[i] & 0x7FFF) > infinite, "NaN %#x became %#x", i, back[i]);
            else
                ck_assert_msg(back[i] == i, "%#x became %#x", i, back[i]);
        }
        for (uint32_t i = 0; i + 1 < infinite; i++) {
            float middle = (float)(((double)x[i] + (double)x[i + 1]) / 2);
            float points[3] = {nextafterf(middle, 0), middle, nextafterf(middle, INFINITY)};
            uint32_t want[3] = {i, i % 2 ? i + 1 : i, i + 1};
            for (int p = 0; p < 3; p++) {
                ck_ok(floats_store(types[k], &points[p], 1, &one));
                ck_assert_msg(one == want[p], "%a became %#x, expected %#x", (double)points[p], one, want[p]);
            }
        }
    }
    const float large[4] = {65519.996f, 65520, -1e30f, INFINITY};
    uint16_t got[4];
    ck_ok(floats_store(DT_F16, large, 4, got));
    ck_assert(got[0] == 0x7BFF && got[1] == 0x7C00 && got[2] == 0xFC00 && got[3] == 0x7C00);
    ck_fails(floats_store(DT_I32, large, 4, got), ST_UNSUPPORTED, "cannot be stored as I32");
    arena_free(arena);
}
END_TEST

#define A16 "\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}"
START_TEST(refuses_broken_headers)
{
    static const struct {
        const char *header;
        size_t data;
        const char *part;
    } bad[] = {
        {"{" A16 "}", 15, "pass the end of the data (15 bytes)"},
        {"{" A16 "}", 17, "1 bytes behind the last tensor"},
        {" {" A16 "}", 16, "does not begin with '{'"},
        {"{" A16, 16, "not valid JSON"},
        {"{" A16 "}x", 16, "not valid JSON"},
        {"[]", 0, "does not begin with '{'"},
        {"", 0, "does not begin with '{'"},
        {"{" A16 "," A16 "}", 16, "not valid JSON: line 1"},
        {"{\"a\":7}", 0, "tensor 'a': its header entry is not an object"},
        {"{\"a\":{\"shape\":[],\"data_offsets\":[0,4]}}", 4, "tensor 'a': dtype is missing"},
        {"{\"a\":{\"dtype\":1,\"shape\":[],\"data_offsets\":[0,4]}}", 4, "tensor 'a': dtype is missing"},
        {"{\"a\":{\"dtype\":\"F99\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, "unknown dtype 'F99'"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "shape is missing"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "9 dimensions"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4, "extent 0 of the shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2,-2],\"data_offsets\":[0,16]}}", 16, "extent 1 of the shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
         "larger than any memory"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0,
         "larger than any memory"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,0]}}", 0, "not valid JSON"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}", 4, "data_offsets is not a pair"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4,8]}}", 4, "data_offsets is not a pair"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[-4,0]}}", 4, "data_offsets is not a pair"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[4,0]}}", 4, "run backwards"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "need 8 bytes, data_offsets give 4"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
         3, "tensor 'b' overlaps tensor 'a'"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[1,1]}}",
         2, "tensor 'b' overlaps tensor 'a'"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}", 3, "1 bytes before tensor 'a'"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[3,5]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}",
         5, "1 bytes before tensor 'a'"},
        {"{\"__metadata__\":7}", 0, "__metadata__ is not an object"},
        {"{\"__metadata__\":{\"k\":7}}", 0, "__metadata__ 'k' is not a string"},
        {"{\"a\\u001b[2J\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "control characters"},
        {"{\"\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "name is empty"},
    };
    begin();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        put_raw("bad.safetensors", bad[i].header, bad[i].data);
        ck_fails(checkpoint_open(in_dir("bad.safetensors"), arena, &c), ST_INPUT, bad[i].part);
        ck_assert_ptr_nonnull(strstr(status_message(), "bad.safetensors"));
        ck_assert_int_eq(c.maps, 0);
    }
    uint64_t huge[] = {(1ull << 63) + 8, UINT64_MAX, UINT64_MAX - 7, 100000001, 9, 8};
    for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++) {
        char bytes[16] = {0};
        memcpy(bytes, &huge[i], 8);
        memcpy(bytes + 8, "{}      ", 8);
        put_bytes(in_dir("bad.safetensors"), bytes, 16);
        status st = checkpoint_open(in_dir("bad.safetensors"), arena, &c);
        ck_assert_int_eq(st, huge[i] == 8 ? ST_OK : ST_INPUT);
        if (st == ST_OK) checkpoint_close(&c);
    }
    arena_free(arena);
}
END_TEST

/* Truncated anywhere, or with any byte changed: refused or read, never a crash (the sanitizers watch). */
START_TEST(survives_cuts_and_flips)
{
    uint64_t state = 12345;
    int refused = 0, read = 0;
    begin();
    put_raw("good.safetensors",
            "{\"__metadata__\":{\"format\":\"pt\"}," A16
            ",\"b\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[16,22]}}",
            22);
    char *good;
    size_t n;
    ck_ok(file_read(in_dir("good.safetensors"), 1000, arena, &good, &n));
    const char *path = in_dir("x.safetensors");
    for (size_t cut = 0; cut < n; cut++) {
        put_bytes(path, good, cut);
        ck_fails(checkpoint_open(path, arena, &c), ST_INPUT, "x.safetensors");
    }
    for (size_t at = 0; at < 4 * n; at++) {
        struct arena_mark mark = arena_mark(arena);
        state = state * 6364136223846793005u + 1442695040888963407u;
        char old = good[at % n];
        good[at % n] = (char)(state >> 56);
        put_bytes(path, good, n);
        good[at % n] = old;
        if (checkpoint_open(path, arena, &c) == ST_OK) {
            (void)sum_of_all(&c);
            checkpoint_close(&c);
            read++;
        } else {
            ck_assert_ptr_nonnull(strstr(status_message(), "x.safetensors"));
            refused++;
        }
        arena_reset(arena, mark);
    }
    ck_assert_int_gt(refused, 100);
    ck_assert_int_gt(read, 50);
    arena_free(arena);
}
END_TEST

START_TEST(writer_reports_faults)
{
    const float f[2] = {1, 2};
    struct tensor_out t[2] = {{"a", DT_F32, 1, {2}, f}, {"a", DT_F32, 1, {2}, f}};
    begin();
    const char *path = in_dir("w.safetensors");
    ck_fails(safetensors_write(path, t, 2, NULL), ST_INTERNAL, "'a' is given twice");
    t[1].name = "\xFF";
    ck_fails(safetensors_write(path, t, 2, NULL), ST_INPUT, "not valid UTF-8");
    t[1].name = "b";
    t[1].dims = 9;
    ck_fails(safetensors_write(path, t, 2, NULL), ST_INTERNAL, "9 dimensions");
    t[1].dims = 1;
    t[1].shape[0] = -1;
    ck_fails(safetensors_write(path, t, 2, NULL), ST_INPUT, "negative");
    ck_fails(safetensors_write(in_dir("no/w.safetensors"), t, 1, NULL), ST_IO, "cannot create");
    ck_assert(!file_exists(path));
    ck_ok(safetensors_write(path, t, 0, NULL));
    ck_ok(checkpoint_open(path, arena, &c));
    ck_assert_int_eq(c.count, 0);
    checkpoint_close(&c);
    arena_free(arena);
}
END_TEST

/* ---- folders ----------------------------------------------------------------------------------------------------- */

static void put_tensor(const char *file, const char *name, float value)
{
    ck_ok(safetensors_write(in_dir(file), &(struct tensor_out){name, DT_F32, 1, {1}, &value}, 1, NULL));
}

START_TEST(folders_and_shards)
{
    begin();
    ck_fails(checkpoint_open(dir, arena, &c), ST_INPUT, "no weights here: expected model.safetensors");
    ck_fails(checkpoint_open(in_dir("none"), arena, &c), ST_INPUT, "none: no such file or folder");
    put_text("notes.txt", "x");
    ck_fails(checkpoint_open(in_dir("notes.txt"), arena, &c), ST_INPUT,
             "notes.txt: expected a folder or a weight file");
    put_tensor("m-1.safetensors", "a", 1);
    put_tensor("m-2.safetensors", "b", 2);
    put_text("model.safetensors.index.json",
             "{\"metadata\":{\"total_size\":8},\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"m-2.safetensors\"}}");
    ck_ok(checkpoint_open(dir, arena, &c));
    ck_assert_int_eq(c.count, 2);
    ck_assert_int_eq(c.maps, 2);
    ck_assert(sum_of_all(&c) == 3);
    checkpoint_close(&c);
    put_tensor("model.safetensors", "whole", 7); /* comes before an index */
    ck_ok(checkpoint_open(dir, arena, &c));
    ck_assert_ptr_nonnull(checkpoint_find(&c, "whole"));
    checkpoint_close(&c);
    arena_free(arena);
}
END_TEST

START_TEST(refuses_broken_indexes)
{
    static const struct {
        const char *index, *part;
    } bad[] = {
        {"x", "model.safetensors.index.json: not valid JSON"},
        {"[]", "model.safetensors.index.json: expected a JSON object"},
        {"{}", "key 'weight_map' is missing"},
        {"{\"weight_map\":7}", "key 'weight_map' is missing or not an object"},
        {"{\"weight_map\":{\"a\":7}}", "weight_map of tensor 'a': expected a file name"},
        {"{\"weight_map\":{\"a\":\"\"}}", "leaves the folder"},
        {"{\"weight_map\":{\"a\":\"..\"}}", "leaves the folder"},
        {"{\"weight_map\":{\"a\":\"../m-1.safetensors\"}}", "'../m-1.safetensors' leaves the folder"},
        {"{\"weight_map\":{\"a\":\"/m-1.safetensors\"}}", "'/m-1.safetensors' leaves the folder"},
        {"{\"weight_map\":{\"a\":\"sub/m-1.safetensors\"}}", "leaves the folder"},
        {"{\"weight_map\":{\"a\":\"m-3.safetensors\"}}", "m-3.safetensors: cannot open it"},
        {"{\"weight_map\":{\"a\":\"m-1.txt\"}}", "m-1.txt: expected a folder or a weight file"},
        {"{\"weight_map\":{\"z\":\"m-1.safetensors\"}}", "tensor 'z' is in none of the shards"},
        {"{\"weight_map\":{\"a\":\"m-2.safetensors\",\"b\":\"m-1.safetensors\"}}", "the index says m-2.safetensors"},
        {"{\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"copy-of-m-1.safetensors\"}}", "tensor 'a' is also in"},
    };
    begin();
    put_tensor("m-1.safetensors", "a", 1);
    put_tensor("m-2.safetensors", "b", 2);
    put_tensor("copy-of-m-1.safetensors", "a", 1);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        put_text("model.safetensors.index.json", bad[i].index);
        ck_fails(checkpoint_open(dir, arena, &c), ST_INPUT, bad[i].part);
        ck_assert_int_eq(c.maps, 0);
    }
    arena_free(arena);
}
END_TEST

/* ---- tile sources ------------------------------------------------------------------------------------------------ */

static void check_source(const char *name, int rows, int cols, const double *want)
{
    struct wsrc w;
    real got[16];
    const struct tensor *t = checkpoint_find(&c, name);
    ck_ok(tensor_source(t, arena, &w));
    ck_assert_int_eq(w.rows, rows);
    ck_assert_int_eq(w.cols, cols);
    for (int r = 0; r < rows; r++) {
        wsrc_row(&w, r, got);
        for (int k = 0; k < cols; k++) ck_assert_msg(got[k] == (real)want[r * cols + k], "%s[%d,%d]", name, r, k);
    }
}

START_TEST(sources_of_all_layouts)
{
    const float f[6] = {1, 2, 3, 4, 5, 6};
    const double d[6] = {1, 2, 3, 4, 5, 6};
    const uint16_t half[6] = {0x3C00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600};
    const uint16_t brain[6] = {0x3F80, 0x4000, 0x4040, 0x4080, 0x40A0, 0x40C0};
    const uint8_t odd[1] = {0};
    const struct tensor_out out[] = {
        {"f32", DT_F32, 2, {2, 3}, f},           {"f64", DT_F64, 2, {2, 3}, d},
        {"f16", DT_F16, 2, {2, 3}, half},        {"bf16", DT_BF16, 2, {2, 3}, brain},
        {"vector", DT_F32, 1, {6}, f},           {"scalar", DT_F32, 0, {0}, f},
        {"cube", DT_F32, 3, {1, 2, 3}, f},       {"bool", DT_BOOL, 1, {1}, odd},
        {"f32 odd", DT_F32, 2, {2, 3}, f},       {"f16 odd", DT_F16, 2, {2, 3}, half},
        {"bf16 odd", DT_BF16, 2, {2, 3}, brain}, {"empty", DT_F32, 2, {0, 3}, f},
    };
    struct wsrc w;
    begin();
    ck_ok(safetensors_write(in_dir("s.safetensors"), out, sizeof out / sizeof out[0], NULL));
    ck_ok(checkpoint_open(in_dir("s.safetensors"), arena, &c));
    check_source("f32", 2, 3, d);
    check_source("f64", 2, 3, d);
    check_source("f16", 2, 3, d);
    check_source("bf16", 2, 3, d);
    check_source("vector", 1, 6, d);
    check_source("scalar", 1, 1, d);
    check_source("f32 odd", 2, 3, d);
    check_source("f16 odd", 2, 3, d);
    check_source("bf16 odd", 2, 3, d);
    check_source("empty", 0, 3, d);
    ck_ok(tensor_source(checkpoint_find(&c, "f32"), arena, &w));
    if (sizeof(real) == sizeof(float)) ck_assert_ptr_eq(w.dense, checkpoint_find(&c, "f32")->data); /* no copy */
    ck_fails(tensor_source(checkpoint_find(&c, "cube"), arena, &w), ST_INPUT, "tensor 'cube' has 3 dimensions");
    ck_fails(tensor_source(checkpoint_find(&c, "bool"), arena, &w), ST_INPUT, "tensor 'bool' holds whole numbers");
    /* A transposed view of the same bytes, as torch files have. */
    struct tensor view = *checkpoint_find(&c, "f32");
    const double turned[6] = {1, 4, 2, 5, 3, 6};
    view.shape[0] = 3, view.shape[1] = 2, view.stride[0] = 1, view.stride[1] = 3;
    ck_assert(!tensor_contiguous(&view));
    ck_ok(tensor_source(&view, arena, &w));
    for (int i = 0; i < 6; i++) ck_assert(w.dense[i] == (real)turned[i]);
    checkpoint_close(&c);
    arena_free(arena);
}
END_TEST

/* ---- content hash ------------------------------------------------------------------------------------------------ */

static void hash_of(const char *path, char hex[65])
{
    ck_ok(checkpoint_open(path, arena, &c));
    ck_ok(checkpoint_hash(&c, hex));
    ck_assert_uint_eq(strlen(hex), 64);
    checkpoint_close(&c);
}

static void age(const char *path, time_t seconds)
{
    const struct timespec t[2] = {{time(NULL) - seconds, 0}, {time(NULL) - seconds, 0}};
    ck_assert_int_eq(utimensat(AT_FDCWD, path, t, 0), 0);
}

START_TEST(hash_covers_contents)
{
    const float f[4] = {1, 2, 3, 4};
    struct tensor_out t[2] = {{"a", DT_F32, 2, {2, 1}, f}, {"b", DT_F32, 1, {2}, f + 2}};
    const struct tensor_out swapped[2] = {t[1], t[0]};
    char first[65], other[65];
    begin();
    setenv("XDG_CACHE_HOME", in_dir("cache"), 1);
    const char *path = in_dir("h.safetensors");
    ck_ok(safetensors_write(path, t, 2, NULL));
    hash_of(path, first);
    ck_ok(safetensors_write(path, swapped, 2, (const char *const[]){"k", "v", NULL})); /* another container */
    hash_of(path, other);
    ck_assert_str_eq(first, other);
    t[0].shape[0] = 1, t[0].shape[1] = 2;
    ck_ok(safetensors_write(path, t, 2, NULL));
    hash_of(path, other);
    ck_assert_str_ne(first, other);
    t[0].shape[0] = 2, t[0].shape[1] = 1, t[0].name = "c";
    ck_ok(safetensors_write(path, t, 2, NULL));
    hash_of(path, other);
    ck_assert_str_ne(first, other);
    t[0].name = "a", t[0].dtype = DT_I32;
    ck_ok(safetensors_write(path, t, 2, NULL));
    hash_of(path, other);
    ck_assert_str_ne(first, other);
    t[0].dtype = DT_F32, t[0].data = f + 1;
    ck_ok(safetensors_write(path, t, 2, NULL));
    hash_of(path, other);
    ck_assert_str_ne(first, other);
    ck_assert(!file_exists(in_dir("cache"))); /* files this fresh are not remembered */
    arena_free(arena);
}
END_TEST

START_TEST(hash_is_remembered)
{
    char first[65], again[65], forged[65], line[200], *text;
    begin();
    setenv("XDG_CACHE_HOME", in_dir("cache"), 1);
    put_tensor("h.safetensors", "a", 1);
    const char *path = in_dir("h.safetensors"), *file = in_dir("cache/peftgrid/model_hashes");
    age(path, 1000);
    hash_of(path, first);
    ck_ok(file_read(file, 1000, arena, &text, NULL));
    ck_assert_uint_eq(strlen(text), 130);
    ck_assert_mem_eq(text + 65, first, 64);
    memset(forged, 'f', 64);
    forged[64] = '\0';
    snprintf(line, sizeof line, "%.64s %s\n%.64s", text, forged, text); /* a later line counts, a torn one does not */
    ck_ok(file_append_line(file, line));
    hash_of(path, again);
    ck_assert_str_eq(again, forged);
    age(path, 2000); /* another time: read again */
    hash_of(path, again);
    ck_assert_str_eq(again, first);
    ck_assert_int_eq(chmod(in_dir("cache/peftgrid"), 0500), 0);
    setenv("XDG_CACHE_HOME", "/dev/null/nowhere", 1); /* no cache, same answer */
    hash_of(path, again);
    ck_assert_str_eq(again, first);
    ck_assert_int_eq(chmod(in_dir("cache/peftgrid"), 0700), 0);
    arena_free(arena);
}
END_TEST

/* ---- memory ------------------------------------------------------------------------------------------------------ */

START_TEST(no_memory_is_an_error)
{
    begin();
    put_tensor("m-1.safetensors", "a", 1);
    put_tensor("m-2.safetensors", "b", 2);
    put_text("model.safetensors.index.json", "{\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"m-2.safetensors\"}}");
    for (long n = 1;; n++) {
        long before = arena_allocations();
        arena_fail_after(n);
        status st = checkpoint_open(dir, arena, &c);
        arena_fail_after(0);
        if (arena_allocations() - before < n) {
            ck_assert_int_eq(st, ST_OK);
            checkpoint_close(&c);
            break;
        }
        ck_assert_int_eq(st, ST_MEMORY);
        ck_assert_int_eq(c.maps, 0);
    }
    arena_free(arena);
}
END_TEST

PG_TESTS(TEST(writes_and_reads_every_type), TEST(special_halves), TEST(stores_rounded_floats),
         TEST(refuses_broken_headers), TEST(survives_cuts_and_flips), TEST(writer_reports_faults),
         TEST(folders_and_shards), TEST(refuses_broken_indexes), TEST(sources_of_all_layouts),
         TEST(hash_covers_contents), TEST(hash_is_remembered), TEST(no_memory_is_an_error))
