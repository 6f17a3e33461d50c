/* What training cases of some methods say beyond the common keys: other names of options, recorded draws, and things to
 * compare after each step. Methods without a row have common cases. */
#ifndef PG_TESTS_GOLDEN_EXTRAS_H
#define PG_TESTS_GOLDEN_EXTRAS_H

#include "bench/session.h"
#include "tests/golden/golden.h"

struct key_name {
    const char *key, *option; /* NULL: the key of `adapter` is no option */
};

struct extras_run { /* of one case */
    struct check *c;
    struct session *s;
    void *own; /* the row's */
};

struct extras {
    const char *method;
    const struct key_name *names;                                             /* ends with key NULL */
    status (*options)(struct check *, const struct method *, void *options);  /* what keys of `adapter` do not tell */
    status (*open)(struct extras_run *);                                      /* before step 0 */
    status (*step)(struct extras_run *, long k, double loss, double penalty); /* after the update of step k */
};

extern const struct extras extras_blora; /* golden_blora.c */

/* The row of a method or of what it is a preset of; one without hooks when there is none. */
const struct extras *extras_of(const struct method *);
/* The option that a key of `adapter` sets; NULL: none. */
const char *extras_option(const struct extras *, const char *key);

#endif
