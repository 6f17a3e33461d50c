#include "tests/pgtest.h"

#include "tests/tiny_lm.h"

#include "core/file.h"
#include "core/text.h"
#include "datasets/bpe_model.h"
#include "datasets/unicode.h"
#include "models/model.h"
#include "tests/tokens_golden.h"

static const char config[] =
    "{\"model_type\": \"llama\", \"vocab_size\": 262, \"hidden_size\": 24, \"num_hidden_layers\": 2,"
    " \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"intermediate_size\": 40, \"hidden_act\": \"silu\","
    " \"max_position_embeddings\": 512, \"rms_norm_eps\": 1e-5, \"rope_theta\": 10000.0,"
    " \"tie_word_embeddings\": true, \"bos_token_id\": 261, \"eos_token_id\": 261, \"initializer_range\": 0.2}";

static void put_byte(struct text *t, int byte)
{
    char c = (char)byte;
    if (byte == '"' || byte == '\\') ck_ok(text_put(t, "\\"));
    if (byte < 0x80 && bpe_byte_char((unsigned char)byte) == byte)
        ck_ok(text_add(t, &c, 1));
    else
        ck_ok(utf8_put(t, bpe_byte_char((unsigned char)byte)));
}

static void write_tokenizer(const char *folder)
{
    struct text t = {0}, m = {0};
    ck_ok(text_put(&t, "{"));
    for (int byte = 0; byte < TINY_LM_BYTES; byte++) {
        ck_ok(text_put(&t, "\""));
        put_byte(&t, byte);
        ck_ok(text_printf(&t, "\": %d, ", byte));
    }
    ck_ok(text_put(&m, "#version: 0.2\n"));
    for (int i = 0; i < 4; i++) {
        ck_ok(text_printf(&t, "\"\xc4\xa0%c\": %d, ", 'A' + i, TINY_LM_BYTES + i));
        ck_ok(text_printf(&m, "\xc4\xa0 %c\n", 'A' + i));
    }
    ck_ok(text_printf(&t, "\"he\": %d, \"<|endoftext|>\": %d}", TINY_LM_END - 1, TINY_LM_END));
    ck_ok(text_put(&m, "h e\n"));
    write_text(folder, "vocab.json", t.s);
    write_text(folder, "merges.txt", m.s);
    write_text(folder, "special_tokens.json", "{\"<|endoftext|>\": 261}");
    text_free(&t);
    text_free(&m);
}

const char *tiny_lm_tokenizer(void)
{
    static char folder[4300];
    if (*folder) return folder;
    snprintf(folder, sizeof folder, "%s", fresh_folder());
    write_text(folder, "config.json", config);
    write_tokenizer(folder);
    return folder;
}

/* Random weights of a model opened without any. */
static void write_weights(const char *folder)
{
    char path[4400];
    struct registry reg;
    struct model *m;
    struct arena *arena = arena_new("tiny weights");
    struct rng rng = {.seed = 5};
    const struct model_spec spec = {.path = folder, .head = HEAD_LM, .random = 1, .rng = &rng};
    ck_ok(registry_init(&reg, arena));
    ck_ok(model_open(&spec, arena, &reg, &m));
    struct tensor_out *out = arena_zalloc(arena, sizeof *out * (size_t)reg.count);
    for (int i = 0; i < reg.count; i++) {
        struct param *p = reg.list[i];
        ck_ok(param_load(&reg, p));
        float *values = arena_alloc(arena, sizeof *values * param_size(p));
        for (size_t k = 0; k < param_size(p); k++) values[k] = (float)p->data[k];
        bool vector = p->rows == 1;
        out[i] = (struct tensor_out){.name = p->name, .dtype = DT_F32, .dims = vector ? 1 : 2, .data = values};
        out[i].shape[0] = vector ? p->cols : p->rows;
        out[i].shape[1] = p->cols;
    }
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    ck_ok(safetensors_write(path, out, reg.count, NULL));
    model_close(m);
    arena_free(arena);
}

const char *tiny_lm_model(void)
{
    static char folder[4300];
    if (*folder) return folder;
    snprintf(folder, sizeof folder, "%s", fresh_folder());
    write_text(folder, "config.json", config);
    write_tokenizer(folder);
    write_weights(folder);
    return folder;
}

static void write_subject(const char *root, const char *set, const char *subject, const char *text)
{
    char folder[4400], name[100];
    snprintf(folder, sizeof folder, "%s/mmlu/%s", root, set);
    snprintf(name, sizeof name, "%s_%s.csv", subject, set);
    ck_ok(file_make_dirs(folder));
    write_text(folder, name, text);
}

const char *tiny_mmlu(void)
{
    static char root[4300];
    if (*root) return root;
    snprintf(root, sizeof root, "%s", fresh_folder());
    write_subject(root, "dev", "anatomy", "Shot 1?,a,b,c,d,A\nShot 2?,e,f,g,h,B\nShot 3?,1,2,3,4,C\n");
    write_subject(root, "dev", "virology", "Viral 1?,a,b,c,d,D\r\nViral 2?,e,f,g,h,A\r\n");
    write_subject(root, "test", "anatomy",
                  "\" Which one, \n\"\"x\"\"?\",p,\"q, r\",s,t,C\nSecond?,p,q,r,s,A\nThe third one?,he,q,r,s,D\n");
    write_subject(root, "test", "virology", "V1?,a,b,c,d,A\r\nV2 is it?,a,b,c,d,B\r\nV3?,a,b,c,d,C\r\nV4?,a,b,c,d,D");
    write_subject(root, "val", "anatomy", "Val?,a,b,c,d,A\n");
    write_subject(root, "val", "virology", "Val?,a,b,c,d,B\n");
    return root;
}
