/* Between the record in memory and the bytes of an HDF5 file, inside results/. The bytes are made and parsed in memory
 * (HDF5's core driver), HDF5 never touches the disk: so a full disk or a kill is met by core/file.c alone. */
#ifndef PG_RESULTS_RECORD_IMAGE_H
#define PG_RESULTS_RECORD_IMAGE_H

#include "results/record.h"

/* The root's attribute "format", and the seal's first line. */
#define RECORD_FORMAT "peftgrid record 1"
#define PACK_FORMAT "peftgrid records 1" /* many records in one file: record_pack.h */

enum { RECORD_SEAL = 512 }; /* bytes of the seal; also the size of HDF5's user block */

/* The HDF5 bytes of a record behind RECORD_SEAL free bytes; *bytes is to be given to heap_free, *size counts the free
 * ones too. file: for messages. content_hash becomes the root's attribute. */
status record_image_make(const struct record *, const char *format, const char *file, const char *content_hash,
                         unsigned char **bytes, size_t *size);

/* The record in such bytes. stored_hash receives the root's attribute. */
status record_image_read(const unsigned char *bytes, size_t size, const char *format, const char *file, struct record *,
                         char stored_hash[SHA256_HEX]);

/* The same in a helper process, so that no bytes can make this one crash or wait for ever (record_apart.c). Tells of
 * its end as ST_INPUT. */
status record_image_read_apart(const unsigned char *bytes, size_t size, const char *format, const char *file,
                               struct record *, char stored_hash[SHA256_HEX]);

/* The file as a whole: seal and image, hashes verified, written atomically. name: the seal's last line. */
status record_file_write(const struct record *, const char *format, const char *name, const char *path);
status record_file_read(const char *path, const char *format, struct record *);

#endif
