/* No adaptation: the pretrained network stays as it is and only the task head learns (a linear probe on the pooled
 * first token). The floor that every other method is compared with, and the reference for data order, head and dropout.
 */
#include "methods/method.h"

const struct method method_none = {
    .name = "none",
    .summary = "head only: the pretrained network stays frozen",
    .source = "linear probe, for comparison",
    .abi = METHOD_ABI,
    .flags = METHOD_IDENTITY_INIT,
};
