/* PyTorch weight files. */
#include "models/checkpoint.h"

status torch_bin_read(const char *path, struct checkpoint *c)
{
    struct file_map m;
    TRY(checkpoint_map(c, path, &m));
    return fail(ST_UNSUPPORTED, "%s: torch files cannot be read by this build", path);
}
