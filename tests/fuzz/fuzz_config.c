#include "tests/fuzz/fuzzing.h"

#include "models/config.h"

static status run(const unsigned char *p, size_t n, struct arena *a)
{
    struct model_config c;
    fuzz_file("config.json", p, n, a);
    TRY(config_read(fuzz_folder(), a, &c));
    fuzz_expect(c.hidden > 0 && c.layers > 0 && c.heads > 0 && c.hidden % c.heads == 0,
                "a configuration without a shape was accepted");
    return ST_OK;
}

const struct fuzz fuzz_config = {"config", "a model's config.json", run};
