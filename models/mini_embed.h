/* The mini model inside the program: the bytes of models/mini/config.json and models/mini/model.safetensors, which
 * tools/make-mini.sh makes. Its word list is datasets/mini_vocab.c. */
#ifndef PG_MODELS_MINI_EMBED_H
#define PG_MODELS_MINI_EMBED_H

#include "core/embed.h"

extern const struct embedded mini_config, mini_weights;

#endif
