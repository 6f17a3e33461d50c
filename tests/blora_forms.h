/* Settings of B-LoRA that are put through all checks of methods, in both builds: every form, placement and option that
 * takes another way through the code. Gates start where noise opens, half opens and closes them. */
#ifndef PG_TESTS_BLORA_FORMS_H
#define PG_TESTS_BLORA_FORMS_H

#include <stdbool.h>
#include <string.h>
#include "tests/method_probe.h"

static const char *const blora_forms[] = {
    "form=q phi=1 rank=3",
    "form=ra xi=1 rank=5",
    "form=qra phi=1 xi=2",
    "form=qra phi=1 xi=0.5 noise=call reg=bop dropout=0.2",
    "form=qra phi=1 placement=authors rank_penalty=authors ranges=fixed range_clip=no",
    "form=q phi=0.5 placement=authors sites=all+pooler+classifier",
    "form=qra phi=2 rank=1 sites=value+ffn+pooler",
    "form=qra phi=1 gates_open=0.4 gates_fixed=0.2",
    "form=ra xi=1 rank_penalty=authors dropout=0.1",
    "form=qra phi=1 xi=1 base=stored",
};
enum { BLORA_FORMS = sizeof blora_forms / sizeof blora_forms[0] };

/* A form that names the pooler is for networks that have one. */
static inline bool blora_form_fits(const char *form, enum probe_model model)
{
    return model != PROBE_DECODER || !strstr(form, "pooler");
}

#endif
