/* The plain store: frozen weights as 32-bit floats. A weight that already lies in memory as reals is used where it is
 * (mapped, shared by processes); f16 and bf16 checkpoints are expanded once. */
#include "models/store.h"

static status build(const void *options, const struct wsrc *w, struct arena *keep, struct wsrc *out)
{
    (void)options;
    if (w->dense) {
        *out = *w;
        return ST_OK;
    }
    real *data;
    NEW(data, keep, (size_t)w->rows * (size_t)w->cols);
    w->tile(w, 0, w->rows, 0, w->cols, data, w->cols);
    *out = wsrc_dense(data, w->rows, w->cols);
    return ST_OK;
}

const struct store store_f32 = {
    .name = "f32",
    .summary = "32-bit floats; what the checkpoint holds, used where it lies",
    .source = "none",
    .build = build,
};
