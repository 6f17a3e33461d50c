/* Made by tools/make-table.sh from the file list. */
#include "models/store.h"
const struct store *const store_table[] = {
    NULL};
