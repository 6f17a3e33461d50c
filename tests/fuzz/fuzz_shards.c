#include "tests/fuzz/fuzzing.h"

static const char *const files[] = {"model.safetensors.index.json",
                                    "pytorch_model.bin.index.json",
                                    "pytorch_model.bin",
                                    "a.safetensors",
                                    "b.safetensors",
                                    "c.bin",
                                    NULL};

static status run(const unsigned char *p, size_t n, struct arena *a)
{
    fuzz_parts(p, n, files, a);
    return fuzz_open_weights(fuzz_folder(), a);
}

const struct fuzz fuzz_shards = {"shards", "a model folder whose index names shards", run};
