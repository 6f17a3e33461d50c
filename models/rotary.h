/* Rotary positions of a decoder: the angles of its configuration as the table that op_rotate reads (METHODS 2). */
#ifndef PG_MODELS_ROTARY_H
#define PG_MODELS_ROTARY_H

#include "core/ops.h"
#include "models/config.h"

/* Pairs of rotated dimensions in a head. */
int rotary_pairs(const struct model_config *);
/* Angle of pair j a position, in radians: theta^(-2j / dimensions), stretched as the configuration says (Llama 3:
 * wave lengths beyond original / low are divided by factor, those below original / high stay, linear in between). */
double rotary_frequency(const struct model_config *, int j);
/* Cosines and sines of the positions first .. first + n - 1. */
status rotary_table(const struct model_config *, int first, int n, struct arena *, struct rotary *);

#endif
