/* Results that take long to make, kept in files and found again: one file a result, named by its kind and a key, which
 * is a hash of all that decides the result. A cache never decides anything: a file that is damaged or of another key is
 * noticed and made anew, one that cannot be written gives a notice only. Files are written atomically, so processes
 * that make the same result at once do no harm. Without a folder nothing is kept. */
#ifndef PG_CORE_CACHE_H
#define PG_CORE_CACHE_H

#include "core/file.h"
#include "core/sha256.h"

/* Where, from now on; made when it is needed. Not copied. NULL, as at the start: nowhere. */
void cache_set_folder(const char *folder);

/* The bytes kept under this key, in the arena; NULL: none. Fails only without memory. kind: letters. */
status cache_get(const char *kind, const char key[SHA256_HEX], struct arena *, const void **bytes, size_t *size);
/* Keeps bytes that lie in several places, at most CACHE_PARTS. */
enum { CACHE_PARTS = 12 };
void cache_put(const char *kind, const char key[SHA256_HEX], const struct file_part *, int parts);

#endif
