/* See early_phi.h. */
#include "models/early_phi.h"

#include <stdio.h>
#include <string.h>

struct pair {
    const char *modern, *early;
    int part;
};

static const struct pair outside[] = {{"model.embed_tokens.", "transformer.embd.wte.", -1},
                                      {"model.final_layernorm.", "lm_head.ln.", -1},
                                      {"lm_head.", "lm_head.linear.", -1}};
static const struct pair inside[] = {{"input_layernorm.", "ln.", -1},
                                     {"self_attn.q_proj.", "mixer.Wqkv.", 0},
                                     {"self_attn.k_proj.", "mixer.Wqkv.", 1},
                                     {"self_attn.v_proj.", "mixer.Wqkv.", 2},
                                     {"self_attn.dense.", "mixer.out_proj.", -1},
                                     {"mlp.fc1.", "mlp.fc1.", -1},
                                     {"mlp.fc2.", "mlp.fc2.", -1}};

static const struct pair *begins(const struct pair *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(name, list[i].modern, strlen(list[i].modern)) == 0) return &list[i];
    return NULL;
}

bool early_phi_name(const char *modern, char *out, size_t n, int *part)
{
    int layer, used = 0, length;
    const struct pair *p = begins(outside, sizeof outside / sizeof outside[0], modern);
    if (p) {
        length = snprintf(out, n, "%s%s", p->early, modern + strlen(p->modern));
    } else {
        if (sscanf(modern, "model.layers.%d.%n", &layer, &used) != 1 || used == 0) return false;
        p = begins(inside, sizeof inside / sizeof inside[0], modern + used);
        if (!p) return false;
        length = snprintf(out, n, "transformer.h.%d.%s%s", layer, p->early, modern + used + strlen(p->modern));
    }
    *part = p->part;
    return length > 0 && length < (int)n;
}
