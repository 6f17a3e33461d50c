/* Model FLOPs: what the mathematics of a pass asks for, whatever the program really does. Padding, recomputation and
 * the operations between the products count nothing. */
#ifndef PG_BENCH_BENCH_FLOPS_H
#define PG_BENCH_BENCH_FLOPS_H

#include "bench/session.h"

/* Two FLOPs a multiply-accumulate. Forward: every product once. Training adds the input gradient of every product above
 * the lowest trained tensor, the weight gradient of trained weights, both operands' gradients of products without a
 * weight, and both of the adapters' products. The relative table (METHODS 1.2) is projected once a batch, in the
 * 2 L - 1 rows that the longest sequence can reach. */
double batch_flops(const struct session *, const struct batch *, bool training);

#endif
