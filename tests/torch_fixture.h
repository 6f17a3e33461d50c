/* Torch weight files made byte by byte, good ones and ones with a chosen fault. */
#ifndef PG_TESTS_TORCH_FIXTURE_H
#define PG_TESTS_TORCH_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    unsigned char p[8192];
    size_t n;
};
void bytes_add(struct bytes *, const void *p, size_t n);
void bytes_number(struct bytes *, size_t bytes, uint64_t v); /* little-endian */
#define ADD(b, text) bytes_add((b), (text), sizeof(text) - 1)

struct zip_part {
    const char *name;
    const void *data;
    size_t n;
};

/* Where a made zip shall differ from a good one. */
struct zip_twist {
    bool zip64; /* real sizes only in the ZIP64 records */
    bool compressed, encrypted, wrong_crc, wrong_local_name, wrong_local_sig;
    uint32_t size_off;  /* added to the directory's sizes */
    uint32_t local_off; /* added to the directory's offsets */
    uint64_t entries_off, directory_off;
    const char *comment;
};

void torch_zip(struct bytes *, const struct zip_part *, size_t n, struct zip_twist);

/* The same dictionary pickled by Python's own pickler with protocols 1 to 5 (torch's names on stand-in classes):
 * w [2,3] = storage 0; t [3,2] = its transpose; v [2] = a Parameter at offset 4; h = scalar, half, offset 1 of storage
 * 1; and entries that are no tensors. An OrderedDict with the attribute _metadata. */
struct pickled {
    size_t n;
    const char *p;
};
enum { TORCH_PICKLED = 5 };
extern const struct pickled torch_pickled[TORCH_PICKLED];
extern const float torch_values[6];    /* storage 0 */
extern const uint16_t torch_halves[2]; /* storage 1: 1 and -2 */

/* A whole file around such a pickle. */
void torch_zip_model(struct bytes *, const void *pickle, size_t n, struct zip_twist);
void torch_legacy_model(struct bytes *, const void *pickle, size_t n);

/* The pickles around the dictionary in the legacy form. */
#define TORCH_MAGIC "\200\002\212\012l\374\234F\371 j\250P\031."
#define TORCH_VERSION "\200\002M\351\003."
#define TORCH_SYSTEM "\200\002}q\000(X\015\000\000\000little_endianq\001\210u."
#define TORCH_KEYS "\200\002]q\000(X\001\000\000\0000q\001X\001\000\000\0001q\002e."

#endif
