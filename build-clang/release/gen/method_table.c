/* Made by tools/make-table.sh from the file list. */
#include "methods/method.h"
extern const struct method method_bitfit;
extern const struct method method_full_ft;
extern const struct method method_lora;
extern const struct method method_none;
extern const struct method method_skeleton;
const struct method *const method_table[] = {
    &method_bitfit,
    &method_full_ft,
    &method_lora,
    &method_none,
    &method_skeleton,
    NULL};
