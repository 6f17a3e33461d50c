/* The double build: derivatives of every trained tensor of every form of B-LoRA, with rounding offsets held fixed. */
#include "tests/pgtest.h"

#include "core/parallel.h"
#include "tests/blora_forms.h"
#include "tests/method_runs.h"

extern const struct method method_blora;

START_TEST(derivatives_are_exact)
{
    parallel_set_threads(1);
    for (int model = 0; model < PROBE_MODELS; model++) {
        if (!blora_form_fits(blora_forms[_i], (enum probe_model)model)) continue;
        const struct probe p = {.method = &method_blora,
                                .options = run_options(&method_blora, blora_forms[_i]),
                                .model = (enum probe_model)model,
                                .store = store_find("f32")};
        const char *broken = check_gradients(&p);
        ck_assert_msg(!broken, "%s, %s: %s", blora_forms[_i], probe_model_name(p.model), broken);
        broken = check_accumulation(&p);
        ck_assert_msg(!broken, "%s, %s: %s", blora_forms[_i], probe_model_name(p.model), broken);
    }
}
END_TEST

PG_TESTS(LOOP_TEST(derivatives_are_exact, 0, BLORA_FORMS))
