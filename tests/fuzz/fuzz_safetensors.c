#include "tests/fuzz/fuzzing.h"

static status run(const unsigned char *p, size_t n, struct arena *a)
{
    return fuzz_open_weights(fuzz_weights("model.safetensors", p, n, a), a);
}

const struct fuzz fuzz_safetensors = {"safetensors", "a safetensors file", run};
