/* Presets: names that stand for another method with options. A preset's settings may be options of the method, of a
 * store (and `store` itself), of the trainer or of an arithmetic, as in a [row R] section. What [train] and [task T]
 * set wins over them, but for `precision`: a preset that is another method in other arithmetic stays what it is. */
#ifndef PG_BENCH_PRESET_H
#define PG_BENCH_PRESET_H

#include "core/option.h"
#include "datasets/dataset.h" /* struct key_value */
#include "methods/method.h"

struct preset {
    const struct method *method;     /* that runs */
    const struct key_value *setting; /* a preset of a preset comes later, so the last of a name holds; line 0 */
    int settings;                    /* 0 for a method that is no preset */
};

/* Follows preset_of to the method that runs. */
status preset_resolve(const struct method *asked, struct arena *, struct preset *);
const char *preset_value(const struct preset *, const char *key); /* NULL: not set */
/* Sets those options of a table that the preset sets. */
status preset_apply(const struct preset *, const struct option *table, void *base, struct arena *);
/* A new struct of `size` bytes with the defaults and these settings; NULL where there is no table. */
status preset_options(const struct preset *, const struct option *table, size_t size, struct arena *, void **base);

#endif
