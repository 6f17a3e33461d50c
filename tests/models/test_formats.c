/* The reference data's containers and broken files, found by listing their folders. */
#include "tests/pgtest.h"

#include <math.h>
#include <stdint.h>
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

#define CASE "golden/models/deberta_v3_cls2"

static double rounded(double v, enum dtype d)
{
    int exponent;
    float f = (float)v;
    (void)frexp(v, &exponent); /* v = 0.5 .. 1 times 2^exponent; halves have 11 bits, no exponent below -13 */
    double quantum = ldexp(1, (exponent < -13 ? -13 : exponent) - 11);
    if (d == DT_F16) return rint(v / quantum) * quantum;
    uint32_t bits;
    memcpy(&bits, &f, 4);
    if (d == DT_BF16) {
        bits += 0x7FFF + (bits >> 16 & 1); /* to nearest, ties to even; no NaN here */
        bits &= 0xFFFF0000u;
        memcpy(&f, &bits, 4);
    }
    return (double)f;
}

/* Old names of LayerNorm tensors: gamma, beta. */
static const struct tensor *find_either(const char *name)
{
    char old[512];
    const struct tensor *t = checkpoint_find(&c, name);
    size_t n = strlen(name);
    if (t || n >= sizeof old) return t;
    strcpy(old, name);
    if (n > 6 && strcmp(old + n - 6, "weight") == 0) strcpy(old + n - 6, "gamma");
    if (n > 4 && strcmp(old + n - 4, "bias") == 0) strcpy(old + n - 4, "beta");
    return checkpoint_find(&c, old);
}

START_TEST(all_containers_hold_the_same_weights)
{
    struct checkpoint want;
    char **names, f32_hash[65] = "";
    int count, seen = 0;
    NEED_SHARED(CASE "/formats");
    begin();
    setenv("XDG_CACHE_HOME", dir, 1);
    ck_ok(checkpoint_open(shared_path(CASE "/model.safetensors"), arena, &want));
    ck_ok(checkpoint_hash(&want, f32_hash));
    ck_ok(file_list(shared_path(CASE "/formats"), NULL, arena, &names, &count));
    for (int i = 0; i < count; i++) {
        if (strncmp(names[i], "README", 6) == 0 || strncmp(names[i], "expected", 8) == 0) continue;
        const char *path = path_join(arena, shared_path(CASE "/formats"), names[i]);
        struct arena_mark mark = arena_mark(arena);
        ck_ok(checkpoint_open(path, arena, &c));
        for (int k = 0; k < want.count; k++) {
            const struct tensor *w = &want.tensor[k], *t = find_either(w->name);
            ck_assert_msg(t != NULL, "%s lacks %s", names[i], w->name);
            size_t n = tensor_size(w);
            double *a, *b;
            a = arena_alloc(arena, n * sizeof *a), b = arena_alloc(arena, n * sizeof *b);
            ck_ok(tensor_to_f64(w, a, n));
            ck_ok(tensor_to_f64(t, b, n));
            for (size_t e = 0; e < n; e++)
                ck_assert_msg(rounded(a[e], t->dtype) == b[e], "%s: %s[%zu]", names[i], w->name, e);
        }
        if (c.count == want.count && c.tensor[0].dtype == DT_F32) { /* the hash does not depend on the container */
            char hex[65];
            ck_ok(checkpoint_hash(&c, hex));
            ck_assert_str_eq(hex, f32_hash);
        }
        checkpoint_close(&c);
        arena_reset(arena, mark);
        seen++;
    }
    ck_assert_int_ge(seen, 9);
    checkpoint_close(&want);
    arena_free(arena);
}
END_TEST

/* Every file of bad/ is refused by name; two are well formed and only do not fit their configuration. */
START_TEST(broken_reference_files_are_refused)
{
    char **names;
    int count, refused = 0;
    NEED_SHARED(CASE "/bad");
    begin();
    ck_ok(file_list(shared_path(CASE "/bad"), NULL, arena, &names, &count));
    for (int i = 0; i < count; i++) {
        if (strncmp(names[i], "README", 6) == 0) continue;
        status st = checkpoint_open(path_join(arena, shared_path(CASE "/bad"), names[i]), arena, &c);
        if (st == ST_OK) {
            ck_assert_msg(strcmp(names[i], "missing_tensor.safetensors") == 0 ||
                              strcmp(names[i], "wrong_shape.safetensors") == 0,
                          "%s was accepted", names[i]);
            checkpoint_close(&c);
            continue;
        }
        ck_assert_msg(st == ST_INPUT && strstr(status_message(), names[i]) != NULL, "%s: %s", names[i],
                      status_message());
        refused++;
    }
    ck_assert_int_ge(refused, 30);
    arena_free(arena);
}
END_TEST

PG_TESTS(TEST(all_containers_hold_the_same_weights), TEST(broken_reference_files_are_refused))
