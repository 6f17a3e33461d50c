/* Torch weight files: the zip and the legacy form, made here byte by byte, good and hostile. */
#include "tests/pgtest.h"

#include <stdint.h>
#include "core/file.h"
#include "models/checkpoint.h"
#include "models/storedzip.h"
#include "tests/torch_fixture.h"

static struct arena *arena;
static char dir[4096];
static struct checkpoint c;

static void begin(void)
{
    arena = arena_new("test");
    snprintf(dir, sizeof dir, "%s", temp_dir());
    notice_quiet(1);
}

static void put_file(const char *name, const struct bytes *b)
{
    FILE *f = fopen(path_join(arena, dir, name), "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(b->p, 1, b->n, f), b->n);
    ck_assert_int_eq(fclose(f), 0);
}

static double value_at(const char *name, size_t i)
{
    double v[16];
    const struct tensor *t = checkpoint_find(&c, name);
    ck_assert_msg(t != NULL, "%s is missing", name);
    ck_ok(tensor_to_f64(t, v, tensor_size(t)));
    ck_assert_uint_lt(i, tensor_size(t));
    return v[i];
}

static void check_contents(void)
{
    const double turned[6] = {1, 4, 2, 5, 3, 6};
    ck_assert_int_eq(c.count, 4);
    for (size_t i = 0; i < 6; i++) {
        ck_assert(value_at("w", i) == (double)i + 1);
        ck_assert(value_at("t", i) == turned[i]);
    }
    ck_assert(value_at("v", 0) == 5 && value_at("v", 1) == 6);
    ck_assert(value_at("h", 0) == -2);
    ck_assert_int_eq(checkpoint_find(&c, "h")->dims, 0);
    ck_assert_int_eq(checkpoint_find(&c, "t")->shape[0], 3);
}

static void open_bytes(const struct bytes *b)
{
    put_file("m.bin", b);
    ck_ok(checkpoint_open(path_join(arena, dir, "m.bin"), arena, &c));
}

static void refuse_bytes(const struct bytes *b, const char *part)
{
    put_file("m.bin", b);
    status st = checkpoint_open(path_join(arena, dir, "m.bin"), arena, &c);
    ck_assert_msg(st != ST_OK, "accepted; expected: %s", part);
    ck_assert_msg(strstr(status_message(), part) != NULL, "message lacks '%s': %s", part, status_message());
    ck_assert_msg(strstr(status_message(), "m.bin") != NULL, "no file name: %s", status_message());
    ck_assert_int_eq(c.maps, 0);
}

/* ---- good files -------------------------------------------------------------------------------------------------- */

START_TEST(reads_every_protocol)
{
    static struct bytes b;
    const struct zip_twist twists[] = {{0}, {.zip64 = true}, {.comment = "a comment"}};
    begin();
    for (size_t p = 0; p < TORCH_PICKLED; p++) {
        for (size_t i = 0; i < 3; i++) {
            torch_zip_model(&b, torch_pickled[p].p, torch_pickled[p].n, twists[i]);
            open_bytes(&b);
            check_contents();
            checkpoint_close(&c);
        }
        torch_legacy_model(&b, torch_pickled[p].p, torch_pickled[p].n);
        open_bytes(&b);
        check_contents();
        checkpoint_close(&c);
    }
    arena_free(arena);
}
END_TEST

/* Values are used where they lie in the file, not copied. */
START_TEST(uses_values_in_place)
{
    static struct bytes b;
    begin();
    torch_zip_model(&b, torch_pickled[1].p, torch_pickled[1].n, (struct zip_twist){0});
    open_bytes(&b);
    const unsigned char *data = checkpoint_find(&c, "w")->data;
    ck_assert(data > c.map[0].data && data < c.map[0].data + c.map[0].size);
    checkpoint_close(&c);
    arena_free(arena);
}
END_TEST

/* A pickle that ends with a dictionary {"a": tensor}, whose tensor arguments are given. */
static void make_one_tensor(struct bytes *b, const void *arguments, size_t n)
{
    static struct bytes pickle;
    pickle.n = 0;
    ADD(&pickle, "\200\002}U\001actorch._utils\012_rebuild_tensor_v2\012(");
    ADD(&pickle, "(U\007storagectorch\012FloatStorage\012U\0010U\003cpuK\006tQ");
    bytes_add(&pickle, arguments, n);
    ADD(&pickle, "\211NtRs.");
    const struct zip_part e[] = {{"m/data.pkl", pickle.p, pickle.n}, {"m/data/0", torch_values, sizeof torch_values}};
    torch_zip(b, e, 2, (struct zip_twist){0});
}

START_TEST(views_stay_inside_their_storage)
{
    static struct bytes b;
#define ARGS(text) text, sizeof(text) - 1
    const struct {
        const char *args;
        size_t n;
        const char *fault; /* NULL: good */
    } cases[] = {
        {ARGS("K\000K\006\205K\001\205"), NULL},
        {ARGS("K\006K\000\205K\001\205"), NULL}, /* empty at the very end */
        {ARGS("K\005))"), NULL},
        {ARGS("K\001K\001K\005\206K\141K\001\206"), NULL}, /* the stride of a single row does not matter */
        {ARGS("K\006))"), "beyond its storage '0' of 6 elements"},
        {ARGS("K\001K\006\205K\001\205"), "beyond its storage"},
        {ARGS("K\000K\003\205K\003\205"), "beyond its storage"},
        {ARGS("K\007K\000\205K\001\205"), "beyond its storage"},
        {ARGS("J\377\377\377\377K\001\205K\001\205"), "beyond its storage"},
        {ARGS("K\000K\002\205J\377\377\377\377\205"), "stride -1 is negative"},
        {ARGS("K\000J\377\377\377\377\205K\001\205"), "extent -1 is negative"},
        {ARGS("K\000K\007\205K\000\205"), "has 7 elements, more than its storage"},
        {ARGS("K\000\212\010\377\377\377\377\377\377\377\177\205K\000\205"), "larger than any memory"},
        {ARGS("K\000\212\010\000\000\000\000\000\000\000\020K\020\206)"), "without shape and strides"},
        {ARGS("K\000\212\005\000\000\000\000\020\212\005\000\000\000\000\020\206K\000K\000\206"),
         "larger than any memory"},
        {ARGS("K\001K\002\205\212\010\377\377\377\377\377\377\377\177\205"), "beyond its storage"},
        {ARGS("K\000(K\001K\001K\001K\001K\001K\001K\001K\001K\001t(K\001K\001K\001K\001K\001K\001K\001K\001K\001t"),
         "without shape and strides"},
        {ARGS("U\0010K\006\205K\001\205"), "a tensor without storage and offset"},
        {ARGS("K\000U\0016K\001\205"), "a tensor without shape and strides"},
        {ARGS("K\000U\0016\205K\001\205"), "a tensor without shape and strides"},
    };
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_one_tensor(&b, cases[i].args, cases[i].n);
        if (cases[i].fault) {
            refuse_bytes(&b, cases[i].fault);
            continue;
        }
        open_bytes(&b);
        for (size_t k = 0; k < tensor_size(&c.tensor[0]); k++) ck_assert(value_at("a", k) >= 1);
        checkpoint_close(&c);
    }
    arena_free(arena);
}
END_TEST

/* ---- hostile pickles --------------------------------------------------------------------------------------------- */

START_TEST(refuses_hostile_pickles)
{
    static struct bytes b;
    const struct {
        const char *p;
        size_t n;
        const char *fault;
    } cases[] = {
        {ARGS("cposix\012system\012(U\004trueR."), "names 'posix.system', which no weight file needs"},
        {ARGS("cos\012system\012."), "names 'os.system'"},
        {ARGS("\200\004\214\010builtins\214\004eval\223."), "names 'builtins.eval'"},
        {ARGS("cbuiltins\012ev\033al\012."), "names 'builtins.ev?al'"},
        {ARGS("ctorch\012load\012."), "names 'torch.load'"},
        {ARGS("ctorch.FloatStorage\012\012."), "names 'torch.FloatStorage.'"},
        {ARGS("ctorch"), "a line without end"},
        {ARGS("\200\006N."), "a protocol above 5"},
        {ARGS("\200"), "ends in the middle"},
        {ARGS(""), "ends without STOP"},
        {ARGS("."), "takes a value from an empty stack"},
        {ARGS("NN."), "values are left on the stack"},
        {ARGS("(N."), "values are left on the stack"},
        {ARGS("N(."), "takes a value from an empty stack"},
        {ARGS("Ni."), "instruction 0x69"},
        {ARGS("N\202\001."), "instruction 0x82"}, /* extension codes */
        {ARGS("N\201."), "instruction 0x81"},     /* NEWOBJ */
        {ARGS("(o."), "instruction 0x6f"},        /* OBJ */
        {ARGS("N."), "expected a dictionary of tensors"},
        {ARGS("(t."), "expected a dictionary of tensors"}, /* a mark before any value */
        {ARGS("(u."), "takes a value from an empty stack"},
        {ARGS("}."), "holds no tensors by name"},
        {ARGS("}U\001aK\001s."), "holds no tensors by name"},
        {ARGS("}U\001as."), "takes a value from an empty stack"},
        {ARGS("}(U\001au."), "a dictionary key without value"},
        {ARGS("(U\001ad."), "a dictionary key without value"},
        {ARGS("]N."), "values are left"},
        {ARGS("NNa."), "it appends to no list"},
        {ARGS("NNNs."), "it sets a key of no dictionary"},
        {ARGS("t."), "looks for a mark where none is"},
        {ARGS("e."), "looks for a mark where none is"},
        {ARGS("h\000."), "reads a memo that was never written"},
        {ARGS("j\377\377\377\377."), "reads a memo that was never written"},
        {ARGS("Nr\377\377\377\377."), "a memo number is too large"},
        {ARGS("q\000."), "takes a value from an empty stack"},
        {ARGS("Npx\012."), "a memo number is no number"},
        {ARGS("Np-1\012."), "a memo number is no number"},
        {ARGS("g99999999999999999999\012."), "a memo number is no number"},
        {ARGS("X\377\377\377\177a."), "a string is longer than the file"},
        {ARGS("\215\377\377\377\377\377\377\377\377a."), "a string is longer than the file"},
        {ARGS("Sabc\012."), "a string without quotes"},
        {ARGS("S'a\\x41'\012."), "a string with escapes"},
        {ARGS("\213\377\377\377\377."), "more than 64 bytes"},
        {ARGS("I12x\012."), "a whole number is none"},
        {ARGS("Fnil\012."), "a number is none"},
        {ARGS("NR."), "takes a value from an empty stack"},
        {ARGS("N)R."), "a call of something that is no name"},
        {ARGS("ctorch\012FloatStorage\012)R."), "a call of a storage type"},
        {ARGS("ccollections\012OrderedDict\012NR."), "a call of something that is no name"},
        {ARGS("ccollections\012OrderedDict\012N\205R."), "something else than pairs"},
        {ARGS("ccollections\012OrderedDict\012]NaN\205aR."), "a call of something that is no name"},
        {ARGS("ccollections\012OrderedDict\012(](]NaetR."), "something else than pairs"},
        {ARGS("ctorch._utils\012_rebuild_parameter\012)R."), "a parameter of no tensor"},
        {ARGS("ctorch._utils\012_rebuild_tensor_v2\012)R."), "a tensor without storage and offset"},
        {ARGS("N}b."), "a state for a plain value"},
        {ARGS("NQ."), "an outside object that is no storage"},
        {ARGS(")Q."), "an outside object that is no storage"},
        {ARGS("(U\006moduleNNNK\001tQ."), "an outside object that is no storage"},
        {ARGS("(U\007storageNU\0010NK\001tQ."), "an outside object that is no storage"},
        {ARGS("(U\007storagectorch\012FloatStorage\012U\000NK\001tQ."), "a storage without a proper key"},
        {ARGS("(U\007storagectorch\012FloatStorage\012U\0010NJ\377\377\377\377tQ."), "a storage with a negative size"},
        {ARGS("(U\007storagectorch\012FloatStorage\012U\0010NK\001K\001tQ."), "a storage that is part of another one"},
        {ARGS("(U\007storagectorch\012FloatStorage\012U\0010NK\006tQ"
              "(U\007storagectorch\012HalfStorage\012U\0010NK\006tQ."),
         "two descriptions of one storage differ"},
        {ARGS("}."
              "}."),
         "2 bytes behind the pickle"},
    };
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        torch_zip_model(&b, cases[i].p, cases[i].n, (struct zip_twist){0});
        refuse_bytes(&b, cases[i].fault);
    }
    arena_free(arena);
}
END_TEST

/* A list that contains itself, and a dictionary as its own key: no walk over values may hang. */
START_TEST(survives_cycles)
{
    static struct bytes b;
    begin();
    torch_zip_model(&b, ARGS("]q\000h\000a."), (struct zip_twist){0});
    refuse_bytes(&b, "expected a dictionary");
    torch_zip_model(&b, ARGS("}q\000h\000h\000s."), (struct zip_twist){0});
    refuse_bytes(&b, "holds no tensors");
    arena_free(arena);
}
END_TEST

START_TEST(refuses_a_huge_pickle)
{
    begin();
    size_t n = (16u << 20) + 100;
    char *p = malloc(n);
    memset(p, ')', n);
    memcpy(p, TORCH_MAGIC, sizeof TORCH_MAGIC - 1);
    ck_ok(file_write_atomic(path_join(arena, dir, "m.bin"), p, n));
    ck_fails(checkpoint_open(path_join(arena, dir, "m.bin"), arena, &c), ST_INPUT,
             "a pickle of more than 16777216 bytes");
    free(p);
    arena_free(arena);
}
END_TEST

/* ---- broken archives --------------------------------------------------------------------------------------------- */

START_TEST(refuses_broken_zips)
{
    static struct bytes b;
    const char *p = torch_pickled[1].p;
    size_t n = torch_pickled[1].n;
    const struct {
        struct zip_twist t;
        const char *fault;
    } cases[] = {
        {{.compressed = true}, "an entry is compressed"},
        {{.encrypted = true}, "an entry is encrypted"},
        {{.wrong_crc = true}, "is damaged: its CRC-32 does not match"},
        {{.wrong_local_name = true}, "has another name than the directory"},
        {{.wrong_local_sig = true}, "m.bin"},
        {{.size_off = 4000}, "reach beyond the file"},
        {{.size_off = 4000, .zip64 = true}, "reach beyond the file"},
        {{.local_off = 1}, "an entry's header is not where it should be"},
        {{.local_off = 1u << 30}, "an entry is outside the file"},
        {{.local_off = 1u << 30, .zip64 = true}, "an entry is outside the file"},
        {{.entries_off = 1}, "its directory ends early"},
        {{.entries_off = (uint64_t)-1}, "its directory is longer than its entries"},
        {{.entries_off = 1000}, "more entries than its directory has room for"},
        {{.entries_off = 1ull << 60, .zip64 = true}, "more entries than its directory has room for"},
        {{.directory_off = 1}, "m.bin"},
        {{.directory_off = 1u << 30}, "the directory is outside the file"},
        {{.directory_off = 1ull << 63, .zip64 = true}, "the directory is outside the file"},
    };
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        torch_zip_model(&b, p, n, cases[i].t);
        refuse_bytes(&b, cases[i].fault);
    }
    arena_free(arena);
}
END_TEST

START_TEST(refuses_bad_entries)
{
    static struct bytes b;
    static const char *const names[] = {
        "/m/data.pkl", "../m/data.pkl", "m/../data.pkl", "m/..", "m\\data.pkl", "..", "m/da\001ta.pkl", ""};
    const struct zip_part pkl = {"m/data.pkl", torch_pickled[1].p, torch_pickled[1].n},
                          zero = {"m/data/0", torch_values, sizeof torch_values},
                          one = {"m/data/1", torch_halves, sizeof torch_halves};
    begin();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct zip_part e[] = {pkl, zero, one, {names[i], "x", 1}};
        torch_zip(&b, e, 4, (struct zip_twist){0});
        refuse_bytes(&b, "is absolute, leaves its folder or is no plain name");
    }
    torch_zip(&b, (const struct zip_part[]){pkl, zero, one, {"n/data", "x", 1}}, 4, (struct zip_twist){0});
    refuse_bytes(&b, "do not lie in one folder");
    torch_zip(&b, (const struct zip_part[]){pkl, zero, one, {"data", "x", 1}}, 4, (struct zip_twist){0});
    refuse_bytes(&b, "do not lie in one folder");
    torch_zip(&b, (const struct zip_part[]){pkl, zero, one, zero}, 4, (struct zip_twist){0});
    refuse_bytes(&b, "entry 'data/0' occurs twice");
    torch_zip(&b, (const struct zip_part[]){pkl, zero}, 2, (struct zip_twist){0});
    refuse_bytes(&b, "storage '1' is missing");
    torch_zip(&b, (const struct zip_part[]){pkl, {"m/data/0", torch_values, 20}, one}, 3, (struct zip_twist){0});
    refuse_bytes(&b, "storage '0' has 20 bytes, its tensors need 6 elements of 4 bytes");
    torch_zip(&b, (const struct zip_part[]){zero}, 1, (struct zip_twist){0});
    refuse_bytes(&b, "no entry data.pkl");
    torch_zip(&b, NULL, 0, (struct zip_twist){0});
    refuse_bytes(&b, "no entry data.pkl");
    torch_zip(&b, (const struct zip_part[]){pkl, zero, one, {"m/byteorder", "big", 3}}, 4, (struct zip_twist){0});
    refuse_bytes(&b, "not little-endian");
    arena_free(arena);
}
END_TEST

START_TEST(refuses_broken_legacy_files)
{
    static struct bytes b;
    const char *p = torch_pickled[1].p;
    size_t n = torch_pickled[1].n;
    begin();
    b.n = 0, ADD(&b, "I1\012.I1001\012.}.");
    refuse_bytes(&b, "no torch file");
    b.n = 0, ADD(&b, TORCH_MAGIC "K\001." TORCH_SYSTEM);
    refuse_bytes(&b, "legacy version is not 1001");
    b.n = 0, ADD(&b, TORCH_MAGIC TORCH_VERSION "}.");
    refuse_bytes(&b, "system information is missing");
    b.n = 0, ADD(&b, TORCH_MAGIC TORCH_VERSION "}U\015little_endian\211s.");
    refuse_bytes(&b, "not little-endian");
    b.n = 0, ADD(&b, TORCH_MAGIC TORCH_VERSION TORCH_SYSTEM), bytes_add(&b, p, n), ADD(&b, "N.");
    refuse_bytes(&b, "list of storages is missing");
    b.n = 0, ADD(&b, TORCH_MAGIC TORCH_VERSION TORCH_SYSTEM), bytes_add(&b, p, n), ADD(&b, "](U\0010U\0012e.");
    bytes_number(&b, 8, 6), bytes_add(&b, torch_values, sizeof torch_values), bytes_number(&b, 8, 0);
    refuse_bytes(&b, "storage '2' is listed but no tensor uses it");
    b.n = 0, ADD(&b, TORCH_MAGIC TORCH_VERSION TORCH_SYSTEM), bytes_add(&b, p, n), ADD(&b, "](U\0010e.");
    bytes_number(&b, 8, 6), bytes_add(&b, torch_values, sizeof torch_values);
    refuse_bytes(&b, "storage '1' is missing");
    b.n = 0, ADD(&b, TORCH_MAGIC TORCH_VERSION TORCH_SYSTEM), bytes_add(&b, p, n), ADD(&b, "](U\0010U\0010e.");
    bytes_number(&b, 8, 6), bytes_add(&b, torch_values, sizeof torch_values);
    refuse_bytes(&b, "storage '0' is listed twice");
    b.n = 0, ADD(&b, TORCH_MAGIC TORCH_VERSION TORCH_SYSTEM), bytes_add(&b, p, n), ADD(&b, TORCH_KEYS);
    bytes_number(&b, 8, 5);
    refuse_bytes(&b, "storage '0' has 5 elements, its tensors need 6");
    torch_legacy_model(&b, p, n), bytes_number(&b, 1, 0);
    refuse_bytes(&b, "1 bytes behind the last storage");
    arena_free(arena);
}
END_TEST

/* ---- cuts and flips ---------------------------------------------------------------------------------------------- */

static int read_all(void)
{
    double v[64];
    if (checkpoint_open(path_join(arena, dir, "m.bin"), arena, &c) != ST_OK) {
        ck_assert_ptr_nonnull(strstr(status_message(), "m.bin"));
        return 0;
    }
    for (int i = 0; i < c.count; i++) {
        ck_assert_uint_le(tensor_size(&c.tensor[i]), 64);
        ck_ok(tensor_to_f64(&c.tensor[i], v, tensor_size(&c.tensor[i])));
    }
    checkpoint_close(&c);
    return 1;
}

/* Every cut is refused; any changed byte gives a refusal or tensors that lie inside the file (the sanitizers watch). In
 * the zip form the checksums are made for the changed pickle, so that the pickle machine sees it. */
START_TEST(survives_cuts_and_flips)
{
    static struct bytes good, b;
    uint64_t state = 99;
    begin();
    for (int form = 0; form < 2; form++) {
        if (form == 0)
            torch_zip_model(&good, torch_pickled[1].p, torch_pickled[1].n, (struct zip_twist){0});
        else
            torch_legacy_model(&good, torch_pickled[1].p, torch_pickled[1].n);
        for (size_t cut = 0; cut < good.n; cut++) {
            b = good, b.n = cut;
            put_file("m.bin", &b);
            ck_assert_msg(!read_all(), "form %d accepted when cut to %zu bytes", form, cut);
        }
        for (size_t i = 0; i < good.n; i++) {
            struct arena_mark mark = arena_mark(arena);
            state = state * 6364136223846793005u + 1442695040888963407u;
            b = good;
            b.p[i % b.n] = (unsigned char)(state >> 56);
            put_file("m.bin", &b);
            (void)read_all();
            arena_reset(arena, mark);
        }
    }
    int read = 0, refused = 0;
    for (size_t i = 0; i < 1500; i++) {
        static char pickle[1000];
        struct arena_mark mark = arena_mark(arena);
        size_t p = i % TORCH_PICKLED;
        memcpy(pickle, torch_pickled[p].p, torch_pickled[p].n);
        for (int k = 0; k < 2; k++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            pickle[(state >> 33) % torch_pickled[p].n] = (char)(state >> 24);
        }
        torch_zip_model(&b, pickle, torch_pickled[p].n, (struct zip_twist){0});
        put_file("m.bin", &b);
        if (read_all())
            read++;
        else
            refused++;
        arena_reset(arena, mark);
    }
    ck_assert_int_gt(read, 20);
    ck_assert_int_gt(refused, 500);
    arena_free(arena);
}
END_TEST

START_TEST(no_memory_is_an_error)
{
    static struct bytes b;
    begin();
    const char *path = path_join(arena, dir, "m.bin");
    for (int form = 0; form < 2; form++) {
        if (form == 0)
            torch_zip_model(&b, torch_pickled[3].p, torch_pickled[3].n, (struct zip_twist){0});
        else
            torch_legacy_model(&b, torch_pickled[3].p, torch_pickled[3].n);
        put_file("m.bin", &b);
        for (long n = 1;; n++) {
            long before = arena_allocations();
            arena_fail_after(n);
            status st = checkpoint_open(path, arena, &c);
            arena_fail_after(0);
            if (arena_allocations() - before < n) {
                ck_assert_int_eq(st, ST_OK);
                checkpoint_close(&c);
                break;
            }
            ck_assert_int_eq(st, ST_MEMORY);
            ck_assert_int_eq(c.maps, 0);
        }
    }
    arena_free(arena);
}
END_TEST

START_TEST(crc_of_known_texts)
{
    ck_assert_uint_eq(crc32_of((const unsigned char *)"123456789", 9), 0xCBF43926u);
    ck_assert_uint_eq(crc32_of((const unsigned char *)"", 0), 0);
    ck_assert_uint_eq(crc32_of((const unsigned char *)"The quick brown fox jumps over the lazy dog", 43), 0x414FA339u);
}
END_TEST

PG_TESTS(TEST(reads_every_protocol), TEST(uses_values_in_place), TEST(views_stay_inside_their_storage),
         TEST(refuses_hostile_pickles), TEST(survives_cycles), TEST(refuses_a_huge_pickle), TEST(refuses_broken_zips),
         TEST(refuses_bad_entries), TEST(refuses_broken_legacy_files), TEST(survives_cuts_and_flips),
         TEST(no_memory_is_an_error), TEST(crc_of_known_texts))
