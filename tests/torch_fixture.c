/* Torch weight files made byte by byte; see torch_fixture.h. */
#include "tests/pgtest.h"

#include "models/storedzip.h"
#include "tests/torch_fixture.h"

void bytes_add(struct bytes *b, const void *p, size_t n)
{
    ck_assert_uint_le(b->n + n, sizeof b->p);
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

void bytes_number(struct bytes *b, size_t bytes, uint64_t v)
{
    bytes_add(b, &v, bytes); /* little-endian, as this program's machines */
}

static void zip_local(struct bytes *b, const struct zip_part *e, const struct zip_twist *t)
{
    size_t n = strlen(e->name);
    bytes_number(b, 4, t->wrong_local_sig ? 0x01020304 : 0x04034B50);
    bytes_number(b, 2, 20), bytes_number(b, 2, 0), bytes_number(b, 2, 0), bytes_number(b, 4, 0);
    bytes_number(b, 4, crc32_of(e->data, e->n));
    bytes_number(b, 4, e->n), bytes_number(b, 4, e->n);
    bytes_number(b, 2, n), bytes_number(b, 2, 0);
    bytes_add(b, e->name, n);
    if (t->wrong_local_name) b->p[b->n - 1] ^= 1;
    bytes_add(b, e->data, e->n);
}

static void zip_central(struct bytes *b, const struct zip_part *e, const struct zip_twist *t, uint64_t offset)
{
    size_t n = strlen(e->name);
    uint64_t size = e->n + t->size_off, at = offset + t->local_off, full = 0xFFFFFFFFu;
    bytes_number(b, 4, 0x02014B50);
    bytes_number(b, 2, 20), bytes_number(b, 2, 20), bytes_number(b, 2, t->encrypted),
        bytes_number(b, 2, t->compressed ? 8 : 0);
    bytes_number(b, 4, 0);
    bytes_number(b, 4, crc32_of(e->data, e->n) ^ t->wrong_crc);
    bytes_number(b, 4, t->zip64 ? full : size), bytes_number(b, 4, t->zip64 ? full : size);
    bytes_number(b, 2, n), bytes_number(b, 2, t->zip64 ? 28 : 0), bytes_number(b, 2, 0);
    bytes_number(b, 2, 0), bytes_number(b, 2, 0), bytes_number(b, 4, 0);
    bytes_number(b, 4, t->zip64 ? full : at);
    bytes_add(b, e->name, n);
    if (!t->zip64) return;
    bytes_number(b, 2, 1), bytes_number(b, 2, 24);
    bytes_number(b, 8, size), bytes_number(b, 8, size), bytes_number(b, 8, at);
}

static void zip_end(struct bytes *b, uint64_t entries, uint64_t directory, const struct zip_twist *t)
{
    uint64_t size = b->n - directory, end64 = b->n;
    directory += t->directory_off;
    entries += t->entries_off;
    if (t->zip64) {
        bytes_number(b, 4, 0x06064B50), bytes_number(b, 8, 44), bytes_number(b, 2, 45), bytes_number(b, 2, 45);
        bytes_number(b, 4, 0), bytes_number(b, 4, 0), bytes_number(b, 8, entries), bytes_number(b, 8, entries);
        bytes_number(b, 8, size), bytes_number(b, 8, directory);
        bytes_number(b, 4, 0x07064B50), bytes_number(b, 4, 0), bytes_number(b, 8, end64), bytes_number(b, 4, 1);
        entries = 0xFFFF, size = directory = 0xFFFFFFFFu;
    }
    size_t comment = t->comment ? strlen(t->comment) : 0;
    bytes_number(b, 4, 0x06054B50), bytes_number(b, 4, 0), bytes_number(b, 2, entries), bytes_number(b, 2, entries);
    bytes_number(b, 4, size), bytes_number(b, 4, directory), bytes_number(b, 2, comment);
    bytes_add(b, t->comment ? t->comment : "", comment);
}

void torch_zip(struct bytes *b, const struct zip_part *e, size_t n, struct zip_twist t)
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

const struct pickled torch_pickled[TORCH_PICKLED] = {
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

const float torch_values[6] = {1, 2, 3, 4, 5, 6};
const uint16_t torch_halves[2] = {0x3C00, 0xC000};

void torch_zip_model(struct bytes *b, const void *pickle, size_t n, struct zip_twist t)
{
    const struct zip_part e[] = {{"m/data.pkl", pickle, n},
                                 {"m/byteorder", "little", 6},
                                 {"m/data/0", torch_values, sizeof torch_values},
                                 {"m/data/1", torch_halves, sizeof torch_halves},
                                 {"m/version", "3\n", 2}};
    torch_zip(b, e, 5, t);
}

void torch_legacy_model(struct bytes *b, const void *pickle, size_t n)
{
    b->n = 0;
    ADD(b, TORCH_MAGIC), ADD(b, TORCH_VERSION), ADD(b, TORCH_SYSTEM);
    bytes_add(b, pickle, n);
    ADD(b, TORCH_KEYS);
    bytes_number(b, 8, 6), bytes_add(b, torch_values, sizeof torch_values);
    bytes_number(b, 8, 2), bytes_add(b, torch_halves, sizeof torch_halves);
}
