#include "models/mini_embed.h"

EMBED(mini_config, "models/mini/config.json");
EMBED(mini_weights, "models/mini/model.safetensors");
