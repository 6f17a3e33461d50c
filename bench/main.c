/* The process around cli_main(). The only file that exits. */
#include <signal.h>
#include <stdlib.h>
#include "bench/cli.h"
#include "core/cpu.h"
#include "core/cut_file.h"

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_DFL); /* `peftgrid ... | head` ends quietly, even where the caller ignores the signal */
    cpu_denormals_off();
    cut_file_watch();
    exit(cli_main(argc, argv));
}
