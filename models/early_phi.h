/* Tensor names of Phi's first release (model_type "phi-msft"): transformer.h.N.mixer.Wqkv and so on, with query, key
 * and value as three blocks of rows of one tensor (METHODS 2.1, the source's converter). */
#ifndef PG_MODELS_EARLY_PHI_H
#define PG_MODELS_EARLY_PHI_H

#include <stdbool.h>
#include <stddef.h>

/* The name that the tensor `modern` ("model.layers.3.self_attn.q_proj.weight") has there; *part: which third of its
 * rows it is, -1: all of them. false: the first release has no such tensor. */
bool early_phi_name(const char *modern, char *out, size_t n, int *part);

#endif
