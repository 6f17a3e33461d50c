/* Adapters on disk: what a run trained, without the pretrained network. Ours is one safetensors file whose metadata
 * tells how to rebuild the method; folders of the peft library and bare files of other programs are read too. */
#ifndef PG_BENCH_ADAPTER_H
#define PG_BENCH_ADAPTER_H

#include "bench/session.h"

/* What a file says about itself. Strings live in the arena; NULL or 0: it does not say. */
struct adapter_info {
    const char *method;  /* "lora" */
    const char *options; /* "name=value\n" lines of the method's option table; a word and a dot may stand in front */
    const char *store;   /* how the base was kept when the adapter was trained: "nf4"; NULL: not told */
    const char *store_options;     /* as options, of the store's table */
    const char *precision;         /* of the products it was trained with: "bf16"; NULL: not told */
    const char *precision_options; /* as options, of that arithmetic's table */
    const char *task;
    const char *model_hash;
    int labels, max_len;
    long long seed;
    bool foreign; /* written by another program */
};

/* path: our .safetensors file, a peft folder (adapter_config.json + adapter_model.safetensors or .bin), or a bare
 * weight file with lora_A / lora_B tensors. Reads names and metadata only. Forms that this program does not compute
 * (DoRA, ranks that differ by layer, ...) are ST_UNSUPPORTED. */
status adapter_inspect(const char *path, struct arena *, struct adapter_info *);

/* The method and its options as the file gives them, others at their defaults. where: for messages. A preset's name
 * stands for its method and options. */
status adapter_method(const struct adapter_info *, const char *where, const struct method **, void **options,
                      struct arena *);
/* Sets options from lines as above. */
status adapter_options(const char *lines, const char *where, const struct option *table, void *options, struct arena *);

/* Tensors kept: P_ADAPTER, P_HEAD, P_STATE and every trained P_BASE. */
status adapter_save(const struct session *, const char *path, const char *task, int max_len);
/* Bytes of those tensors. */
size_t adapter_bytes(const struct session *);

enum adapter_use {
    ADAPTER_EXACT, /* to evaluate: every trained tensor of the session must be there, and nothing else */
    ADAPTER_START  /* a warm start: head tensors that are missing or of another shape keep their own start (notice) */
};
/* Puts the values of path (forms as above) into the session's tensors. */
status adapter_load(struct session *, const char *path, enum adapter_use);

#endif
