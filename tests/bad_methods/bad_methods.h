/* Methods that are broken on purpose, each the teaching copy (methods/skeleton.c) with one hook spoilt: they test the
 * checks. Each function makes the method in static memory. */
#ifndef PG_TESTS_BAD_METHODS_H
#define PG_TESTS_BAD_METHODS_H

#include "methods/method.h"

extern const struct method method_skeleton;

const struct method *bad_missing_dx(void);    /* gives nothing to the layers below */
const struct method *bad_stale_scratch(void); /* backward reads scratch that forward gave back */
const struct method *bad_eval_state(void);    /* an evaluation pass moves a weight */
const struct method *bad_impure(void);        /* forward depends on how often it was called */
const struct method *bad_hidden_state(void);  /* what steers training is in no registered tensor */
const struct method *bad_hidden_param(void);  /* trains a weight that the registry does not know */
const struct method *bad_wrong_count(void);   /* reports other sizes than it registers */
const struct method *bad_touches_base(void);  /* writes a frozen tensor */
const struct method *bad_half_gradient(void); /* forgets a factor in one tensor's gradient */
const struct method *bad_batch_mean(void);    /* a row's result depends on the other rows */
const struct method *bad_not_identity(void);  /* promises identity at the start and starts elsewhere */
const struct method *bad_merge(void);         /* effective() forgets the gain */
const struct method *bad_split_sum(void);     /* sums over threads in the order they end: other bits by thread count */
const struct method *bad_unmoved(void);       /* registers a trained tensor that nothing uses */
const struct method *bad_drops_error(void);   /* goes on after an allocation failed */
const struct method *bad_limit(void);         /* an option inside its range makes the run fail inside */

#endif
