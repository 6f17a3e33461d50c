/* Torch weight files: the zip and the legacy form, made here byte by byte, good and hostile; then the reference data's
 * containers and broken files, found by listing their folders. */
#include "tests/pgtest.h"

#include <math.h>
#include <stdint.h>
#include "core/file.h"
#include "models/checkpoint.h"
#include "models/storedzip.h"

static struct arena *arena;
static char dir[4096];
static struct checkpoint c;

static void begin(void)
{
    arena = arena_new("test");
    snprintf(dir, sizeof dir, "%s", temp_dir());
    notice_quiet(1);
}

/* ---- making files ------------------------------------------------------------------------------------------------ */

struct bytes {
    unsigned char p[8192];
    size_t n;
};

static void add(struct bytes *b, const void *p, size_t n)
{
    ck_assert_uint_le(b->n + n, sizeof b->p);
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

static void add_number(struct bytes *b, size_t bytes, uint64_t v)
{
    add(b, &v, bytes); /* little-endian, as this program's machines */
}

static void put_file(const char *name, const struct bytes *b)
{
    FILE *f = fopen(path_join(arena, dir, name), "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(b->p, 1, b->n, f), b->n);
    ck_assert_int_eq(fclose(f), 0);
}

struct entry {
    const char *name;
    const void *data;
    size_t n;
};

/* Where a made zip shall differ from a good one. */
struct twist {
    bool zip64; /* real sizes only in the ZIP64 records */
    bool compressed, encrypted, wrong_crc, wrong_local_name, wrong_local_sig;
    uint32_t size_off;  /* added to the directory's sizes */
    uint32_t local_off; /* added to the directory's offsets */
    uint64_t entries_off, directory_off;
    const char *comment;
};

static void zip_local(struct bytes *b, const struct entry *e, const struct twist *t)
{
    size_t n = strlen(e->name);
    add_number(b, 4, t->wrong_local_sig ? 0x01020304 : 0x04034B50);
    add_number(b, 2, 20), add_number(b, 2, 0), add_number(b, 2, 0), add_number(b, 4, 0);
    add_number(b, 4, crc32_of(e->data, e->n));
    add_number(b, 4, e->n), add_number(b, 4, e->n);
    add_number(b, 2, n), add_number(b, 2, 0);
    add(b, e->name, n);
    if (t->wrong_local_name) b->p[b->n - 1] ^= 1;
    add(b, e->data, e->n);
}

static void zip_central(struct bytes *b, const struct entry *e, const struct twist *t, uint64_t offset)
{
    size_t n = strlen(e->name);
    uint64_t size = e->n + t->size_off, at = offset + t->local_off, full = 0xFFFFFFFFu;
    add_number(b, 4, 0x02014B50);
    add_number(b, 2, 20), add_number(b, 2, 20), add_number(b, 2, t->encrypted), add_number(b, 2, t->compressed ? 8 : 0);
    add_number(b, 4, 0);
    add_number(b, 4, crc32_of(e->data, e->n) ^ t->wrong_crc);
    add_number(b, 4, t->zip64 ? full : size), add_number(b, 4, t->zip64 ? full : size);
    add_number(b, 2, n), add_number(b, 2, t->zip64 ? 28 : 0), add_number(b, 2, 0);
    add_number(b, 2, 0), add_number(b, 2, 0), add_number(b, 4, 0);
    add_number(b, 4, t->zip64 ? full : at);
    add(b, e->name, n);
    if (!t->zip64) return;
    add_number(b, 2, 1), add_number(b, 2, 24);
    add_number(b, 8, size), add_number(b, 8, size), add_number(b, 8, at);
}

static void zip_end(struct bytes *b, uint64_t entries, uint64_t directory, const struct twist *t)
{
    uint64_t size = b->n - directory, end64 = b->n;
    directory += t->directory_off;
    entries += t->entries_off;
    if (t->zip64) {
        add_number(b, 4, 0x06064B50), add_number(b, 8, 44), add_number(b, 2, 45), add_number(b, 2, 45);
        add_number(b, 4, 0), add_number(b, 4, 0), add_number(b, 8, entries), add_number(b, 8, entries);
        add_number(b, 8, size), add_number(b, 8, directory);
        add_number(b, 4, 0x07064B50), add_number(b, 4, 0), add_number(b, 8, end64), add_number(b, 4, 1);
        entries = 0xFFFF, size = directory = 0xFFFFFFFFu;
    }
    size_t comment = t->comment ? strlen(t->comment) : 0;
    add_number(b, 4, 0x06054B50), add_number(b, 4, 0), add_number(b, 2, entries), add_number(b, 2, entries);
    add_number(b, 4, size), add_number(b, 4, directory), add_number(b, 2, comment);
    add(b, t->comment ? t->comment : "", comment);
}

static void make_zip(struct bytes *b, const struct entry *e, size_t n, struct twist t)
{
    uint64_t at[16];
    b->n = 0;
    for (size_t i = 0; i < n; i++) {
        at[i] = b->n;
        zip_local(b, &e[i], &t);
    }
    uint64_t directory = b->n;
    for (size_t i = 0; i < n; i++) zip_central(b, &e[i], &t, at[i]);
    zip_end(b, n, directory, &t);
}

/* The same dictionary pickled by Python's own pickler with protocols 1 to 5 (torch's names on stand-in classes):
 * w [2,3] = storage 0; t [3,2] = its transpose; v [2] = a Parameter at offset 4; h = scalar, half, offset 1 of storage
 * 1; and entries that are no tensors. An OrderedDict with the attribute _metadata. */
static const struct {
    size_t n;
    const char *p;
} pickled[] = {
    {536, "ccollections\012OrderedDict\012q\000)Rq\001(X\001\000\000\000wq\002ctorch._utils\012_rebuild_tensor_v2\012q"
          "\003((X\007\000\000\000storageq\004ctorch\012FloatStorage\012q\005X\001\000\000\0000q\006X\003\000\000\000cp"
          "uq\007K\006tq\010QK\000(K\002K\003tq\011(K\003K\001tq\012I00\012h\000)Rq\013tq\014Rq\015X\001\000\000\000tq"
          "\016h\003((h\004h\005h\006h\007K\006tq\017QK\000(K\003K\002tq\020(K\001K\003tq\021I00\012h\000)Rq\022tq\023R"
          "q\024X\001\000\000\000vq\025ctorch._utils\012_rebuild_parameter\012q\026(h\003((h\004h\005h\006h\007K\006tq"
          "\027QK\004(K\002tq\030(K\001tq\031I00\012h\000)Rq\032tq\033Rq\034I01\012h\000)Rq\035tq\036Rq\037X\001\000"
          "\000\000hq h\003((h\004ctorch\012HalfStorage\012q!X\001\000\000\0001q\"h\007K\002tq#QK\001))I00\012h\000)Rq$"
          "tq%Rq&X\005\000\000\000stepsq'M\350\003X\004\000\000\000longq(L1000000000000L\012X\001\000\000\000xq)]q*(G\?"
          "\370\000\000\000\000\000\000NI01\012eu}q+X\011\000\000\000_metadataq,h\000)Rq-X\000\000\000\000q.}q/X\007"
          "\000\000\000versionq0K\001sssb."},
    {505, "\200\002ccollections\012OrderedDict\012q\000)Rq\001(X\001\000\000\000wq\002ctorch._utils\012_rebuild_tensor_"
          "v2\012q\003((X\007\000\000\000storageq\004ctorch\012FloatStorage\012q\005X\001\000\000\0000q\006X\003\000"
          "\000\000cpuq\007K\006tq\010QK\000K\002K\003\206q\011K\003K\001\206q\012\211h\000)Rq\013tq\014Rq\015X\001\000"
          "\000\000tq\016h\003((h\004h\005h\006h\007K\006tq\017QK\000K\003K\002\206q\020K\001K\003\206q\021\211h\000)Rq"
          "\022tq\023Rq\024X\001\000\000\000vq\025ctorch._utils\012_rebuild_parameter\012q\026h\003((h\004h\005h\006h"
          "\007K\006tq\027QK\004K\002\205q\030K\001\205q\031\211h\000)Rq\032tq\033Rq\034\210h\000)Rq\035\207q\036Rq\037"
          "X\001\000\000\000hq h\003((h\004ctorch\012HalfStorage\012q!X\001\000\000\0001q\"h\007K\002tq#QK\001))\211h"
          "\000)Rq$tq%Rq&X\005\000\000\000stepsq'M\350\003X\004\000\000\000longq(\212\006\000\020\245\324\350\000X\001"
          "\000\000\000xq)]q*(G\?\370\000\000\000\000\000\000N\210eu}q+X\011\000\000\000_metadataq,h\000)Rq-X\000\000"
          "\000\000q.}q/X\007\000\000\000versionq0K\001sssb."},
    {505, "\200\003ccollections\012OrderedDict\012q\000)Rq\001(X\001\000\000\000wq\002ctorch._utils\012_rebuild_tensor_"
          "v2\012q\003((X\007\000\000\000storageq\004ctorch\012FloatStorage\012q\005X\001\000\000\0000q\006X\003\000"
          "\000\000cpuq\007K\006tq\010QK\000K\002K\003\206q\011K\003K\001\206q\012\211h\000)Rq\013tq\014Rq\015X\001\000"
          "\000\000tq\016h\003((h\004h\005h\006h\007K\006tq\017QK\000K\003K\002\206q\020K\001K\003\206q\021\211h\000)Rq"
          "\022tq\023Rq\024X\001\000\000\000vq\025ctorch._utils\012_rebuild_parameter\012q\026h\003((h\004h\005h\006h"
          "\007K\006tq\027QK\004K\002\205q\030K\001\205q\031\211h\000)Rq\032tq\033Rq\034\210h\000)Rq\035\207q\036Rq\037"
          "X\001\000\000\000hq h\003((h\004ctorch\012HalfStorage\012q!X\001\000\000\0001q\"h\007K\002tq#QK\001))\211h"
          "\000)Rq$tq%Rq&X\005\000\000\000stepsq'M\350\003X\004\000\000\000longq(\212\006\000\020\245\324\350\000X\001"
          "\000\000\000xq)]q*(G\?\370\000\000\000\000\000\000N\210eu}q+X\011\000\000\000_metadataq,h\000)Rq-X\000\000"
          "\000\000q.}q/X\007\000\000\000versionq0K\001sssb."},
    {424, "\200\004\225\235\001\000\000\000\000\000\000\214\013collections\224\214\013OrderedDict\224\223\224)R\224("
          "\214\001w\224\214\014torch._utils\224\214\022_rebuild_tensor_v2\224\223\224((\214\007storage\224\214\005torc"
          "h\224\214\014FloatStorage\224\223\224\214\0010\224\214\003cpu\224K\006t\224QK\000K\002K\003\206\224K\003K"
          "\001\206\224\211h\002)R\224t\224R\224\214\001t\224h\007((h\010h\013h\014h\015K\006t\224QK\000K\003K\002\206"
          "\224K\001K\003\206\224\211h\002)R\224t\224R\224\214\001v\224h\005\214\022_rebuild_parameter\224\223\224h\007"
          "((h\010h\013h\014h\015K\006t\224QK\004K\002\205\224K\001\205\224\211h\002)R\224t\224R\224\210h\002)R\224\207"
          "\224R\224\214\001h\224h\007((h\010h\011\214\013HalfStorage\224\223\224\214\0011\224h\015K\002t\224QK\001))"
          "\211h\002)R\224t\224R\224\214\005steps\224M\350\003\214\004long\224\212\006\000\020\245\324\350\000\214\001x"
          "\224]\224(G\?\370\000\000\000\000\000\000N\210eu}\224\214\011_metadata\224h\002)R\224\214\000\224}\224\214"
          "\007version\224K\001sssb."},
    {424, "\200\005\225\235\001\000\000\000\000\000\000\214\013collections\224\214\013OrderedDict\224\223\224)R\224("
          "\214\001w\224\214\014torch._utils\224\214\022_rebuild_tensor_v2\224\223\224((\214\007storage\224\214\005torc"
          "h\224\214\014FloatStorage\224\223\224\214\0010\224\214\003cpu\224K\006t\224QK\000K\002K\003\206\224K\003K"
          "\001\206\224\211h\002)R\224t\224R\224\214\001t\224h\007((h\010h\013h\014h\015K\006t\224QK\000K\003K\002\206"
          "\224K\001K\003\206\224\211h\002)R\224t\224R\224\214\001v\224h\005\214\022_rebuild_parameter\224\223\224h\007"
          "((h\010h\013h\014h\015K\006t\224QK\004K\002\205\224K\001\205\224\211h\002)R\224t\224R\224\210h\002)R\224\207"
          "\224R\224\214\001h\224h\007((h\010h\011\214\013HalfStorage\224\223\224\214\0011\224h\015K\002t\224QK\001))"
          "\211h\002)R\224t\224R\224\214\005steps\224M\350\003\214\004long\224\212\006\000\020\245\324\350\000\214\001x"
          "\224]\224(G\?\370\000\000\000\000\000\000N\210eu}\224\214\011_metadata\224h\002)R\224\214\000\224}\224\214"
          "\007version\224K\001sssb."},
};
enum { PICKLED = sizeof pickled / sizeof pickled[0] };

static const float values[6] = {1, 2, 3, 4, 5, 6};
static const uint16_t halves[2] = {0x3C00, 0xC000};

static void make_torch_zip(struct bytes *b, const void *pickle, size_t n, struct twist t)
{
    const struct entry e[] = {{"m/data.pkl", pickle, n},
                              {"m/byteorder", "little", 6},
                              {"m/data/0", values, sizeof values},
                              {"m/data/1", halves, sizeof halves},
                              {"m/version", "3\n", 2}};
    make_zip(b, e, 5, t);
}

#define MAGIC "\200\002\212\012l\374\234F\371 j\250P\031."
#define VERSION "\200\002M\351\003."
#define SYSTEM "\200\002}q\000(X\015\000\000\000little_endianq\001\210u."
#define KEYS "\200\002]q\000(X\001\000\000\0000q\001X\001\000\000\0001q\002e."
#define ADD(b, text) add((b), (text), sizeof(text) - 1)

static void make_legacy(struct bytes *b, const void *pickle, size_t n)
{
    b->n = 0;
    ADD(b, MAGIC), ADD(b, VERSION), ADD(b, SYSTEM);
    add(b, pickle, n);
    ADD(b, KEYS);
    add_number(b, 8, 6), add(b, values, sizeof values);
    add_number(b, 8, 2), add(b, halves, sizeof halves);
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
    const struct twist twists[] = {{0}, {.zip64 = true}, {.comment = "a comment"}};
    begin();
    for (size_t p = 0; p < PICKLED; p++) {
        for (size_t i = 0; i < 3; i++) {
            make_torch_zip(&b, pickled[p].p, pickled[p].n, twists[i]);
            open_bytes(&b);
            check_contents();
            checkpoint_close(&c);
        }
        make_legacy(&b, pickled[p].p, pickled[p].n);
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
    make_torch_zip(&b, pickled[1].p, pickled[1].n, (struct twist){0});
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
    add(&pickle, arguments, n);
    ADD(&pickle, "\211NtRs.");
    const struct entry e[] = {{"m/data.pkl", pickle.p, pickle.n}, {"m/data/0", values, sizeof values}};
    make_zip(b, e, 2, (struct twist){0});
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
        make_torch_zip(&b, cases[i].p, cases[i].n, (struct twist){0});
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
    make_torch_zip(&b, ARGS("]q\000h\000a."), (struct twist){0});
    refuse_bytes(&b, "expected a dictionary");
    make_torch_zip(&b, ARGS("}q\000h\000h\000s."), (struct twist){0});
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
    memcpy(p, MAGIC, sizeof MAGIC - 1);
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
    const char *p = pickled[1].p;
    size_t n = pickled[1].n;
    const struct {
        struct twist t;
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
        make_torch_zip(&b, p, n, cases[i].t);
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
    const struct entry pkl = {"m/data.pkl", pickled[1].p, pickled[1].n}, zero = {"m/data/0", values, sizeof values},
                       one = {"m/data/1", halves, sizeof halves};
    begin();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct entry e[] = {pkl, zero, one, {names[i], "x", 1}};
        make_zip(&b, e, 4, (struct twist){0});
        refuse_bytes(&b, "is absolute, leaves its folder or is no plain name");
    }
    make_zip(&b, (const struct entry[]){pkl, zero, one, {"n/data", "x", 1}}, 4, (struct twist){0});
    refuse_bytes(&b, "do not lie in one folder");
    make_zip(&b, (const struct entry[]){pkl, zero, one, {"data", "x", 1}}, 4, (struct twist){0});
    refuse_bytes(&b, "do not lie in one folder");
    make_zip(&b, (const struct entry[]){pkl, zero, one, zero}, 4, (struct twist){0});
    refuse_bytes(&b, "entry 'data/0' occurs twice");
    make_zip(&b, (const struct entry[]){pkl, zero}, 2, (struct twist){0});
    refuse_bytes(&b, "storage '1' is missing");
    make_zip(&b, (const struct entry[]){pkl, {"m/data/0", values, 20}, one}, 3, (struct twist){0});
    refuse_bytes(&b, "storage '0' has 20 bytes, its tensors need 6 elements of 4 bytes");
    make_zip(&b, (const struct entry[]){zero}, 1, (struct twist){0});
    refuse_bytes(&b, "no entry data.pkl");
    make_zip(&b, NULL, 0, (struct twist){0});
    refuse_bytes(&b, "no entry data.pkl");
    make_zip(&b, (const struct entry[]){pkl, zero, one, {"m/byteorder", "big", 3}}, 4, (struct twist){0});
    refuse_bytes(&b, "not little-endian");
    arena_free(arena);
}
END_TEST

START_TEST(refuses_broken_legacy_files)
{
    static struct bytes b;
    const char *p = pickled[1].p;
    size_t n = pickled[1].n;
    begin();
    b.n = 0, ADD(&b, "I1\012.I1001\012.}.");
    refuse_bytes(&b, "no torch file");
    b.n = 0, ADD(&b, MAGIC "K\001." SYSTEM);
    refuse_bytes(&b, "legacy version is not 1001");
    b.n = 0, ADD(&b, MAGIC VERSION "}.");
    refuse_bytes(&b, "system information is missing");
    b.n = 0, ADD(&b, MAGIC VERSION "}U\015little_endian\211s.");
    refuse_bytes(&b, "not little-endian");
    b.n = 0, ADD(&b, MAGIC VERSION SYSTEM), add(&b, p, n), ADD(&b, "N.");
    refuse_bytes(&b, "list of storages is missing");
    b.n = 0, ADD(&b, MAGIC VERSION SYSTEM), add(&b, p, n), ADD(&b, "](U\0010U\0012e.");
    add_number(&b, 8, 6), add(&b, values, sizeof values), add_number(&b, 8, 0);
    refuse_bytes(&b, "storage '2' is listed but no tensor uses it");
    b.n = 0, ADD(&b, MAGIC VERSION SYSTEM), add(&b, p, n), ADD(&b, "](U\0010e.");
    add_number(&b, 8, 6), add(&b, values, sizeof values);
    refuse_bytes(&b, "storage '1' is missing");
    b.n = 0, ADD(&b, MAGIC VERSION SYSTEM), add(&b, p, n), ADD(&b, "](U\0010U\0010e.");
    add_number(&b, 8, 6), add(&b, values, sizeof values);
    refuse_bytes(&b, "storage '0' is listed twice");
    b.n = 0, ADD(&b, MAGIC VERSION SYSTEM), add(&b, p, n), ADD(&b, KEYS);
    add_number(&b, 8, 5);
    refuse_bytes(&b, "storage '0' has 5 elements, its tensors need 6");
    make_legacy(&b, p, n), add_number(&b, 1, 0);
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
            make_torch_zip(&good, pickled[1].p, pickled[1].n, (struct twist){0});
        else
            make_legacy(&good, pickled[1].p, pickled[1].n);
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
        size_t p = i % PICKLED;
        memcpy(pickle, pickled[p].p, pickled[p].n);
        for (int k = 0; k < 2; k++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            pickle[(state >> 33) % pickled[p].n] = (char)(state >> 24);
        }
        make_torch_zip(&b, pickle, pickled[p].n, (struct twist){0});
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
            make_torch_zip(&b, pickled[3].p, pickled[3].n, (struct twist){0});
        else
            make_legacy(&b, pickled[3].p, pickled[3].n);
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

/* ---- the reference data ------------------------------------------------------------------------------------------ */

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

PG_TESTS(TEST(reads_every_protocol), TEST(uses_values_in_place), TEST(views_stay_inside_their_storage),
         TEST(refuses_hostile_pickles), TEST(survives_cycles), TEST(refuses_a_huge_pickle), TEST(refuses_broken_zips),
         TEST(refuses_bad_entries), TEST(refuses_broken_legacy_files), TEST(survives_cuts_and_flips),
         TEST(no_memory_is_an_error), TEST(crc_of_known_texts), TEST(all_containers_hold_the_same_weights),
         TEST(broken_reference_files_are_refused))
