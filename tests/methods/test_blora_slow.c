/* All checks of methods on every form of B-LoRA. Gradients are checked in the double build (test_blora_double_slow.c):
 * with sampled gates and small ranges the difference quotients of floats say too little. */
#include "tests/pgtest.h"

#include "core/parallel.h"
#include "tests/blora_forms.h"
#include "tests/method_runs.h"

extern const struct method method_blora;

START_TEST(every_form_keeps_the_promises)
{
    parallel_set_threads(1);
    for (int model = 0; model < PROBE_MODELS; model++) {
        if (!blora_form_fits(blora_forms[_i], (enum probe_model)model)) continue;
        const struct probe p = {.method = &method_blora,
                                .options = run_options(&method_blora, blora_forms[_i]),
                                .model = (enum probe_model)model,
                                .store = store_find("f32")};
        for (const struct named_check *c = method_checks; c->name; c++) {
            const char *broken = c->run == check_gradients ? NULL : c->run(&p);
            ck_assert_msg(!broken, "%s, %s, %s: %s", blora_forms[_i], probe_model_name(p.model), c->name, broken);
        }
        const char *broken = check_memory(&p);
        ck_assert_msg(!broken, "%s, %s, memory: %s", blora_forms[_i], probe_model_name(p.model), broken);
    }
}
END_TEST

PG_TESTS(LOOP_TEST(every_form_keeps_the_promises, 0, BLORA_FORMS))
