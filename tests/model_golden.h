/* One model case of shared/golden/models against the reference: logits, loss, hidden states, every gradient. */
#ifndef PG_TESTS_MODEL_GOLDEN_H
#define PG_TESTS_MODEL_GOLDEN_H

extern const char *const encoder_cases[];
extern const char *const language_cases[];
enum { ENCODER_CASES = 6, LANGUAGE_CASES = 3 };

/* exact < 0: with the float32 tolerances of the case; else relative to the largest entry of each tensor (double build).
 */
void check_golden_model(const char *name, double exact);
void check_golden_language(const char *name, double exact);

#endif
