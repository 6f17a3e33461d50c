#include <math.h>
#include <string.h>
#include "bench/pretrain.h"
#include "core/file.h"
#include "datasets/mini.h"

static const size_t file_max = 1u << 30;

uint16_t half_of(float x)
{
    union {
        float f;
        uint32_t u;
    } v = {.f = x};
    uint32_t sign = v.u >> 16 & 0x8000, magnitude = v.u & 0x7fffffff;
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00);  /* NaN */
    if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* 65520 and more round to infinity */
    if (magnitude < 0x38800000) {                                  /* below 2^-14: a multiple of 2^-24 */
        v.u = magnitude;
        return (uint16_t)(sign | (uint32_t)lrintf(v.f * 16777216.0f));
    }
    uint32_t odd = magnitude >> 13 & 1;
    return (uint16_t)(sign | (magnitude - (112u << 23) + 0xfff + odd) >> 13);
}

/* The values of a tensor as they go into the file. */
static status values(const struct pretrain_options *o, const struct param *p, struct arena *arena, const void **out)
{
    size_t n = param_size(p);
    float *single;
    uint16_t *half;
    NEW(single, arena, n);
    for (size_t i = 0; i < n; i++) single[i] = (float)p->data[i];
    *out = single;
    if (o->dtype == WEIGHTS_F32) return ST_OK;
    NEW(half, arena, n);
    for (size_t i = 0; i < n; i++) {
        FAIL_IF(fabsf(single[i]) >= 65520, ST_DIVERGED, "tensor '%s' holds %g, too large for f16", p->name,
                (double)single[i]);
        half[i] = half_of(single[i]);
    }
    *out = half;
    return ST_OK;
}

static status save_weights(const struct pretrain_options *o, const struct model *m, struct arena *arena)
{
    static const char *const meta[] = {"format", "pt", NULL};
    const struct registry *reg = m->reg;
    struct tensor_out *t;
    int n = 0;
    NEW(t, arena, reg->count);
    for (int i = 0; i < reg->count; i++) {
        const struct param *p = reg->list[i];
        if (p->cls != P_BASE && !(p->cls == P_HEAD && o->keep_head)) continue;
        t[n] = (struct tensor_out){.name = p->name, .dtype = o->dtype == WEIGHTS_F16 ? DT_F16 : DT_F32};
        t[n].dims = p->rows == 1 ? 1 : 2;
        t[n].shape[0] = p->rows == 1 ? p->cols : p->rows;
        t[n].shape[1] = p->cols;
        TRY(values(o, p, arena, &t[n++].data));
    }
    const char *path = path_join(arena, o->out, "model.safetensors");
    return path ? safetensors_write(path, t, n, meta) : ST_MEMORY;
}

static status write_text(const char *dir, const char *name, const char *text, struct arena *arena)
{
    const char *path = path_join(arena, dir, name);
    return path ? file_write_atomic(path, text, strlen(text)) : ST_MEMORY;
}

static status copy_file(const char *from, const char *to, const char *name, struct arena *arena)
{
    const char *source = path_join(arena, from, name), *target = path_join(arena, to, name);
    char *bytes;
    size_t size;
    int there;
    if (!source || !target) return ST_MEMORY;
    TRY(file_ask(source, &there));
    if (!there || strcmp(source, target) == 0) return ST_OK;
    TRY(file_read(source, file_max, arena, &bytes, &size));
    return file_write_atomic(target, bytes, size);
}

static status save_tokenizer(const struct pretrain_options *o, struct arena *arena)
{
    static const char *const files[] = {"spm.model",
                                        "tokenizer.model",
                                        "vocab.txt",
                                        "vocab.json",
                                        "merges.txt",
                                        "encoder.json",
                                        "vocab.bpe",
                                        "tokenizer.json",
                                        "tokenizer_config.json",
                                        "special_tokens_map.json",
                                        "added_tokens.json"};
    if (strcmp(o->tokenizer, "mini") == 0) {
        TRY(write_text(o->out, "vocab.txt", mini_vocab_text, arena));
        return write_text(o->out, "tokenizer_config.json",
                          "{\"tokenizer_class\": \"BertTokenizer\", \"do_lower_case\": true}\n", arena);
    }
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) TRY(copy_file(o->tokenizer, o->out, files[i], arena));
    return ST_OK;
}

status pretrain_save(const struct pretrain_options *o, const struct model *m, struct arena *arena)
{
    TRY(file_make_dirs(o->out));
    TRY(save_weights(o, m, arena));
    TRY(copy_file(o->config, o->out, "config.json", arena));
    return save_tokenizer(o, arena);
}
