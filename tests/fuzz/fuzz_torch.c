/* A PyTorch weight file as it is; or, behind a first byte 'Z' or 'L', only the pickled dictionary, around which the zip
 * archive (with its checksums) or the legacy form is put. */
#include "tests/fuzz/fuzzing.h"
#include "tests/torch_fixture.h"

enum { AROUND = 2048 }; /* room that the container takes */

static status run(const unsigned char *p, size_t n, struct arena *a)
{
    struct bytes b = {.n = 0};
    bool inner = n > 0 && (*p == 'Z' || *p == 'L') && n + AROUND < sizeof b.p;
    if (inner && *p == 'Z') torch_zip_model(&b, p + 1, n - 1, (struct zip_twist){0});
    if (inner && *p == 'L') torch_legacy_model(&b, p + 1, n - 1);
    return fuzz_open_weights(inner ? fuzz_file("model.bin", b.p, b.n, a) : fuzz_file("model.bin", p, n, a), a);
}

const struct fuzz fuzz_torch = {"torch", "a PyTorch weight file, zip or legacy, and the pickle in it", run};
