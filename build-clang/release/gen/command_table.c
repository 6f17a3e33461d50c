/* Made by tools/make-table.sh from the file list. */
#include "bench/cli.h"
const struct command *const command_table[] = {
    NULL};
