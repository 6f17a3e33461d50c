/* How operations are cut for parallel_for: by rows, or by columns where rows are summed. Borders depend on the shape
 * alone. */
#ifndef PG_CORE_OPS_PIECES_H
#define PG_CORE_OPS_PIECES_H

/* fn for runs of rows that hold some ten thousand elements. */
void over_rows(int rows, int cols, void (*fn)(const void *ctx, int r0, int r1), const void *ctx);

/* fn for runs of COLUMN_BLOCK columns (row_kernels.h) from c0, the last one shorter. */
void over_columns(int rows, int cols, void (*fn)(const void *ctx, int c0, int n), const void *ctx);

#endif
