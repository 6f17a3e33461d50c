/* What the writer and the reader of HDF5 bytes share. Only results/ sees hdf5.h.
 *
 * HDF5 keeps its own error stack and prints it; here it is kept quiet for the length of a call and its innermost entry
 * becomes part of our one sentence. Files are closed "strongly", so that a failure half-way leaves nothing open. */
#ifndef PG_RESULTS_RECORD_HDF5_H
#define PG_RESULTS_RECORD_HDF5_H

#define H5_USE_110_API /* the same calls under newer libraries */
#include <hdf5.h>
#include "results/record_image.h"

struct hdf5_quiet { /* the printing to bring back */
    H5E_auto2_t fn;
    void *data;
};
struct hdf5_quiet hdf5_quiet_begin(void);
void hdf5_quiet_end(struct hdf5_quiet);

/* The sentence for a failed HDF5 call. what: "cannot read", path: "run/id". Returns st. */
status hdf5_fail(status st, const char *file, const char *what, const char *path);

hid_t hdf5_string_type(size_t size); /* UTF-8 of fixed length, filled up with NUL */
hid_t hdf5_memory_access(void);      /* files in memory, in the pinned format */

#endif
