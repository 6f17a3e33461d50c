/* The checks catch methods that are broken on purpose, each with the check that is meant for the fault; and they find
 * nothing in the sound method that all of these were made from. */
#include "tests/pgtest.h"

#include "core/parallel.h"
#include "tests/bad_methods/bad_methods.h"
#include "tests/method_checks.h"

static const struct fault {
    const char *name;
    const struct method *(*make)(void);
    method_check *check;
    const char *part; /* of the sentence */
} faults[] = {
    {"missing dx", bad_missing_dx, check_gradients, "the gradient of"},
    {"half a gradient", bad_half_gradient, check_gradients, "the gradient of"},
    {"stale scratch", bad_stale_scratch, check_repeatable, "poisoned memory"},
    {"state changed in evaluation", bad_eval_state, check_eval_neutral, "evaluating between steps"},
    {"impure forward", bad_impure, check_repeatable, "gives other bits"},
    {"unregistered state", bad_hidden_state, check_resume, "registered tensors"},
    {"unregistered parameter", bad_hidden_param, check_resume, "registered tensors"},
    {"wrong count", bad_wrong_count, check_counts, "the registry holds"},
    {"unused tensor in the count", bad_unmoved, check_counts, "the registry holds"},
    {"unused tensor", bad_unmoved, check_frozen, "never moves"},
    {"frozen tensor written", bad_touches_base, check_frozen, "is frozen and yet changed"},
    {"rows that depend on each other", bad_batch_mean, check_eval_batch, "at a time gives other bits"},
    {"rows that depend on each other, in parts", bad_batch_mean, check_accumulation, "four"},
    {"no identity at the start", bad_not_identity, check_identity, "where the base gives"},
    {"wrong merge", bad_merge, check_merge, "merged weights give"},
    {"sums by thread", bad_split_sum, check_threads, "threads give other bits"},
    {"failure inside a range", bad_limit, check_limits, "too large for this code"},
    {"allocation failure ignored", bad_drops_error, check_memory, "fails and the run says 'ok'"},
};
enum { FAULTS = sizeof faults / sizeof faults[0] };

static struct probe probe_of(const struct method *m)
{
    return (struct probe){
        .method = m, .options = probe_options(&method_skeleton), .model = PROBE_DEBERTA, .store = store_find("f32")};
}

/* The address sanitizer ends a program that reads memory which was given back before our check can tell. */
#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZER = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { SANITIZER = 1 };
#else
enum { SANITIZER = 0 };
#endif
#else
enum { SANITIZER = 0 };
#endif

START_TEST(is_caught)
{
    const struct fault *f = &faults[_i];
    if (SANITIZER && f->make == bad_stale_scratch) {
        printf("SKIP %s: the address sanitizer catches it first\n", f->name);
        return;
    }
    const struct probe bad = probe_of(f->make());
    parallel_set_threads(1);
    const char *verdict = f->check(&bad);
    ck_assert_msg(verdict != NULL, "%s: not caught", f->name);
    ck_assert_msg(strstr(verdict, f->part) != NULL, "%s: caught with the words: %s", f->name, verdict);
}
END_TEST

START_TEST(the_sound_one_passes)
{
    const struct probe sound = probe_of(&method_skeleton);
    parallel_set_threads(1);
    for (const struct named_check *c = method_checks; c->name; c++) {
        const char *verdict = c->run(&sound);
        ck_assert_msg(verdict == NULL, "%s: %s", c->name, verdict);
    }
}
END_TEST

/* method_start refuses rows of the table that contradict themselves, with a sentence. */
static void refused(struct method m, const char *part)
{
    struct session s;
    const struct probe p = probe_of(&m);
    ck_fails(probe_open(&p, 0, &s), ST_INTERNAL, part);
}

START_TEST(unsound_rows_are_refused)
{
    struct method m = method_skeleton;
    m.abi++;
    refused(m, "another version of methods/method.h");
    m = method_skeleton;
    m.flags |= 1u << 30;
    refused(m, "a flag");
    m = method_skeleton;
    m.preset_of = &method_skeleton;
    refused(m, "preset");
    m = method_skeleton;
    m.site_ops.backward = NULL;
    refused(m, "belong together");
    m = method_skeleton;
    m.report = NULL;
    refused(m, "report");
    m = method_skeleton;
    m.attach = NULL;
    refused(m, "needs an attach hook");
    m = method_skeleton;
    m.effective = NULL;
    refused(m, "METHOD_MERGEABLE");
    m = method_skeleton;
    m.source = NULL;
    refused(m, "source");
    m = method_skeleton;
    m.options = NULL;
    m.option_size = 0;
    refused(m, "option named 'sites'");
}
END_TEST

START_TEST(methods_of_other_builds_are_refused)
{
    struct method m = method_skeleton;
    struct session s;
    m.unavailable = "it needs a library";
    const struct probe p = probe_of(&m);
    ck_fails(probe_open(&p, 0, &s), ST_UNSUPPORTED, "it needs a library");
}
END_TEST

PG_TESTS(LOOP_TEST(is_caught, 0, FAULTS), TEST(the_sound_one_passes), TEST(unsound_rows_are_refused),
         TEST(methods_of_other_builds_are_refused))
