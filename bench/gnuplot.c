#include "bench/gnuplot.h"

#include "bench/spawn.h"
#include "core/file.h"

status gnuplot_run(const char *folder, const char *name, const char *format, struct arena *arena)
{
    enum { WORDS = 600 };
    int code;
    char words[WORDS];
    char *set = arena_printf(arena, "format='%s'", format), *script = arena_printf(arena, "%s.gp", name);
    const char *image = arena_printf(arena, "%s/%s.%s", folder, name, format);
    if (!set || !script || !image) return ST_MEMORY;
    char *const word[] = {"gnuplot", "-e", set, script, NULL};
    TRY(spawn_program(folder, word, words, sizeof words, &code));
    FAIL_IF(code == SPAWN_NO_PROGRAM, ST_UNSUPPORTED,
            "gnuplot is not installed (sh tools/bootstrap.sh deps, or on Debian apt-get install gnuplot-nox); scripts "
            "and data "
            "are in %s, to be drawn with `gnuplot %s.gp`",
            folder, name);
    FAIL_IF(code != 0 || !file_exists(image), ST_IO, "gnuplot could not draw %s: %s", image,
            *words ? words : "it gave no reason");
    return ST_OK;
}
