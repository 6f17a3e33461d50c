/* TSV without quoting: fields are what lies between TABs, whatever quotes it holds. */
#include "datasets/tabfile.h"

#include <string.h>

status tab_parse_tsv(struct tabfile *t)
{
    struct span line = tab_line(t);
    const char *p = line.s, *end = line.s + line.n;
    for (;;) {
        const char *stop = memchr(p, '\t', (size_t)(end - p));
        TRY(tab_field(t, p, (size_t)((stop ? stop : end) - p)));
        if (!stop) return ST_OK;
        p = stop + 1;
    }
}
