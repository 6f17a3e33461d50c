/* Files of checkpoints: a head of text, then named blocks of bytes.
 *
 *     peftgrid checkpoint 1
 *     id 5be2...                  of the run
 *     numerics 1, reals of 4 bytes
 *     step 000000000120
 *     bytes 00000000000001234567  of the whole file
 *     sha256 ab12...              of the whole file, with these 64 digits as zeros
 *     (blanks)
 *     NAME BYTES                  a line, then so many bytes; block after block
 *
 * The bytes are memory as it is: a checkpoint goes on where it was made, on machines of one kind. Reading knows which
 * blocks it expects, so what a file says is only compared, never followed. */
#ifndef PG_BENCH_CHECKPOINT_FILE_H
#define PG_BENCH_CHECKPOINT_FILE_H

#include <stdbool.h>
#include "core/file.h"

enum { CHECKPOINT_HEAD = 512 };

struct checkpoint_block {
    const char *name; /* without blanks and line ends */
    void *data;       /* written from, or read to */
    size_t size;
};

/* Atomic. Memory from scratch. */
status checkpoint_file_write(const char *path, const char *id, long step, const struct checkpoint_block *, int blocks,
                             struct arena *scratch);

struct checkpoint_file {
    struct file_map map;
    size_t at; /* the next block */
    long step;
};
/* Opens and verifies: ST_INPUT, with a sentence, for what is no checkpoint, damaged or of another run. After a failure
 * nothing has to be closed. */
status checkpoint_file_open(const char *path, const char *id, struct checkpoint_file *);
/* The next blocks must be these; fills them all, or none after a failure. last: nothing may follow. */
status checkpoint_file_read(struct checkpoint_file *, const struct checkpoint_block *, int blocks, bool last);
void checkpoint_file_close(struct checkpoint_file *);

#endif
