/* Inside the pickle reader: the stack machine that pickle.c drives and the objects that pickle_objects.c makes for it.
 */
#ifndef PG_MODELS_PICKLE_MACHINE_H
#define PG_MODELS_PICKLE_MACHINE_H

#include "models/pickle.h"

struct machine {
    struct pickle *owner;
    const unsigned char *start, *p, *end;
    struct pickle_value **stack, **memo;
    size_t depth, stack_cap, memo_cap, memo_count;
    size_t *mark;
    size_t marks, mark_cap;
    struct pickle_value
        *slab; /* unused values: one is half a cache line, so they are not taken singly from the arena */
    size_t slab_left;
};

/* Sets the message "broken pickle: <what>"; broken() is that, with a value the compiler knows to be a failure. */
void machine_broken(const struct machine *, const char *what);
#define broken(m, what) (machine_broken((m), (what)), ST_INPUT)

status machine_line(struct machine *, const unsigned char **line,
                    size_t *n); /* up to the next newline, which is skipped */
status machine_push(struct machine *, struct pickle_value *);
status machine_pop(struct machine *, struct pickle_value **); /* nothing below the last mark */
status machine_top(struct machine *, struct pickle_value **);
status machine_new(struct machine *, enum pickle_kind, struct pickle_value **); /* zeroed */
status machine_push_new(struct machine *, enum pickle_kind, struct pickle_value **);
/* Appends n values to a tuple, list or dictionary. */
status machine_add(struct machine *, struct pickle_value *to, struct pickle_value *const *v, size_t n);

/* Instructions GLOBAL, STACK_GLOBAL, BINPERSID, REDUCE, BUILD. */
status object_line_global(struct machine *);
status object_stack_global(struct machine *);
status object_persistent(struct machine *);
status object_reduce(struct machine *);
status object_build(struct machine *);

#endif
