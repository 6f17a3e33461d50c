/* Promises of methods/method.h as reusable checks: each opens tiny models with a method, uses it, and returns NULL when
 * the promise was kept, else one sentence that says what was broken (static memory). tests/methods/test_every_method.c
 * runs them on every method of the table, test_bad_methods.c shows that they catch methods that are broken on purpose.
 */
#ifndef PG_TESTS_METHOD_CHECKS_H
#define PG_TESTS_METHOD_CHECKS_H

#include "tests/method_probe.h"

typedef const char *method_check(const struct probe *);
method_check check_repeatable;   /* forward again, without saving, with poisoned memory: same bits */
method_check check_threads;      /* 1, 2, 3, 8 threads: same bits of gradients, steps and predictions */
method_check check_recompute;    /* blocks run again in the backward pass: same bits */
method_check check_eval_batch;   /* 1, 7, 32 examples at a time: same bits */
method_check check_eval_neutral; /* evaluating every variant between steps changes nothing */
method_check check_resume;       /* a run continued from the registry's tensors alone: same bits */
method_check check_accumulation; /* 4 x 8 against 32 examples: same gradients but for rounding */
method_check check_gradients;    /* directional derivatives of every trained tensor */
method_check check_identity;     /* METHOD_IDENTITY_INIT; same head and dropout as method none */
method_check check_merge;        /* METHOD_MERGEABLE */
method_check check_counts;       /* reports equal the registry */
method_check check_frozen;       /* frozen tensors stay as they are, trained ones move */
method_check check_limits;       /* every option at its limits works or is refused with a sentence; beyond: refused */
method_check check_memory;       /* the n-th allocation fails: ST_MEMORY, and nothing else happens */

struct named_check {
    const char *name;
    method_check *run;
    bool exact; /* the promise is about bits, and holds in every arithmetic */
};
extern const struct named_check method_checks[];            /* seconds; ends with name NULL */
extern const struct named_check limits_check, memory_check; /* minutes */
/* Runs a check on every method of the table x model x permitted store, in f32 and, if it is exact, by turns of the
 * models in bf16 and in dfp; prints what is broken. Asserts that nothing is, and that there were two at least. */
void every_method_keeps(const struct named_check *);

#endif
