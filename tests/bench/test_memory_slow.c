/* Memory of training a decoder: what the arenas count (and `peftgrid check` tells) against what the process holds;
 * loading into a quantised store needs the store and one weight; recomputation needs little for activations; a store's
 * file is mapped and not copied. Every measurement is a process of its own. */
#include "tests/pgtest.h"

#include <limits.h>
#include <libgen.h>
#include <pthread.h>
#include <sys/wait.h>
#include "bench/session.h"
#include "core/file.h"
#include "core/parallel.h"

static const char config[] =
    "{\"model_type\": \"llama\", \"hidden_size\": 512, \"intermediate_size\": 1408, \"num_hidden_layers\": 6, "
    "\"num_attention_heads\": 8, \"num_key_value_heads\": 4, \"vocab_size\": 12000, \"max_position_embeddings\": 512}";
enum { SEQUENCES = 4, LENGTH = 192, TOKENS = SEQUENCES * LENGTH, WEIGHTS = 6 * (512 * 512 * 3 + 3 * 512 * 1408) };

struct figures {
    double before, opened, most; /* RssAnon: at the start; largest until the session was open; largest of all */
    double arenas, store;        /* sum of the arenas' peaks; bits of the stores */
};

static double private_bytes(void)
{
    char text[8192];
    FILE *f = fopen("/proc/self/status", "r");
    if (!f) return 0;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    const char *at = strstr(text, "RssAnon:");
    return at ? 1024 * strtod(at + 8, NULL) : 0;
}

struct sampler {
    pthread_t thread;
    volatile int end;
    volatile double most;
};

static void *sample(void *ctx)
{
    struct sampler *s = ctx;
    for (; !s->end; usleep(2000)) {
        double now = private_bytes();
        if (now > s->most) s->most = now;
    }
    return NULL;
}

static void one_step(struct session *s)
{
    static int offset[SEQUENCES + 1];
    static int32_t ids[TOKENS], label[TOKENS];
    static uint32_t key[TOKENS], slot[SEQUENCES];
    const struct adamw adamw = {ADAMW_TORCH, 0.9, 0.999, 1e-8, 0, 0};
    double loss = 0, penalty, norm;
    for (int i = 0; i <= SEQUENCES; i++) offset[i] = i * LENGTH;
    for (int t = 0; t < TOKENS; t++) {
        ids[t] = t * 37 % 12000;
        label[t] = t * 11 % 12000;
        key[t] = (uint32_t)(t / LENGTH) << 16 | (uint32_t)(t % LENGTH);
    }
    struct batch b = {.n = SEQUENCES,
                      .tokens = TOKENS,
                      .offset = offset,
                      .ids = ids,
                      .row_key = key,
                      .slot = slot,
                      .label = label,
                      .step_examples = TOKENS};
    ck_ok(session_micro(s, &b, 0, 0, &loss));
    ck_ok(session_update(s, &adamw, 1e-3, 1, 0, &penalty, &norm));
}

struct plan {
    const char *folder, *store, *file;
    bool recompute;
};

static struct figures train(const struct plan *p)
{
    struct sampler sampler = {.end = 0};
    struct session s;
    const struct method *lora = method_find("lora");
    struct arena *arena = arena_new("options");
    void *options;
    ck_ok(option_new(lora->options, lora->option_size, arena, &options));
    ck_ok(option_set(lora->options, options, "sites", "all", "test", arena));
    struct session_spec spec = {.model = {.path = p->folder, .head = HEAD_LM, .recompute = p->recompute},
                                .method = lora,
                                .method_options = options,
                                .store = store_find(p->store),
                                .store_file = p->file,
                                .seed = 1,
                                .total_steps = 1};
    struct figures f = {.before = private_bytes()};
    ck_assert_int_eq(pthread_create(&sampler.thread, NULL, sample, &sampler), 0);
    parallel_set_threads(1);
    ck_ok(session_open(&spec, &s));
    f.opened = sampler.most > private_bytes() ? sampler.most : private_bytes();
    one_step(&s);
    sampler.end = 1;
    pthread_join(sampler.thread, NULL);
    f.most = sampler.most;
    f.arenas = (double)arena_peak(s.arena) + (double)arena_peak(s.tape) + (double)arena_peak(s.scratch);
    for (int i = 0; i < s.model->sites; i++)
        if (model_stores_site(s.model->site[i]))
            f.store += s.model->site[i]->w.bits / 8 * s.model->site[i]->out * s.model->site[i]->in;
    session_close(&s);
    arena_free(arena);
    return f;
}

/* In a process of its own, so that nothing is there before. */
static struct figures apart(const struct plan *p)
{
    struct figures f = {0};
    int ends[2], code;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        f = train(p);
        _exit(write(ends[1], &f, sizeof f) == sizeof f ? 0 : 1);
    }
    ck_assert_int_gt(child, 0);
    close(ends[1]);
    ck_assert_int_eq((int)read(ends[0], &f, sizeof f), (int)sizeof f);
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &code, 0), child);
    ck_assert_int_eq(code, 0);
    return f;
}

/* The tool beside this program; NULL, and the test is skipped by name, in builds that have no tools. */
static const char *random_checkpoint(const char *test)
{
    static char tool[2 * PATH_MAX];
    char self[PATH_MAX + 1] = "";
    ck_assert_int_gt(readlink("/proc/self/exe", self, PATH_MAX), 0);
    snprintf(tool, sizeof tool, "%s/tools/random_checkpoint", dirname(dirname(dirname(self))));
    if (access(tool, X_OK) == 0) return tool;
    printf("SKIP %.*s: %s is not here\n", (int)strlen(test) - 3, test, tool); /* without Check's "_fn" */
    fflush(stdout);
    return NULL;
}
#define NEED_TOOL() \
    if (!random_checkpoint(__func__)) return

/* A folder with bf16 weights in shards, made by the tool. */
static const char *model_folder(void)
{
    static char folder[PATH_MAX];
    char command[4 * PATH_MAX], path[PATH_MAX];
    if (*folder) return folder;
    notice_quiet(1);
    snprintf(path, sizeof path, "%s/config.json", temp_dir());
    ck_ok(file_write_atomic(path, config, strlen(config)));
    snprintf(folder, sizeof folder, "%s/model", temp_dir());
    snprintf(command, sizeof command, "%s %s %s --dtype bf16 --shard-mb 16 >/dev/null", random_checkpoint(__func__),
             dirname(path), folder);
    ck_assert_int_eq(system(command), 0);
    return folder;
}

START_TEST(told_and_held)
{
    NEED_TOOL();
    for (int again = 0; again < 2; again++) {
        struct plan p = {model_folder(), "nf4", NULL, again};
        struct figures f = apart(&p);
        double held = f.most - f.before;
        printf("recompute %d: arenas %.1f MB, process %.1f MB\n", again, f.arenas / 1e6, held / 1e6);
        ck_assert_double_ge(held, 0.85 * f.arenas);
        ck_assert_double_le(held, 1.15 * f.arenas);
    }
}
END_TEST

START_TEST(recomputation_saves_most_activations)
{
    NEED_TOOL();
    struct plan p = {model_folder(), "nf4", NULL, false}, q = {model_folder(), "nf4", NULL, true};
    struct figures kept = apart(&p), again = apart(&q);
    ck_assert_double_lt(again.most - again.opened, 0.45 * (kept.most - kept.opened));
}
END_TEST

/* The largest weight as reals is 2.9 MB, the whole base as reals would be 70 MB and as stored 35 MB. */
START_TEST(loading_takes_the_store_and_one_weight)
{
    NEED_TOOL();
    static const char *const stores[] = {"nf4", "int8", "bf16"};
    for (int i = 0; i < 3; i++) {
        struct plan p = {model_folder(), stores[i], NULL, true};
        struct figures f = apart(&p);
        double adapters = 8.0 * 8 * 6 * (512 * 3 + 256 * 2 + 512 + 3 * (512 + 1408)); /* values and gradients */
        double own = i < 2 ? f.store : 0;                                             /* bf16 stays in the file */
        printf("%s: store %.1f MB, adapters %.1f MB, opened with %.1f MB\n", stores[i], f.store / 1e6, adapters / 1e6,
               (f.opened - f.before) / 1e6);
        ck_assert_double_le(f.opened - f.before, own + adapters + 4.0 * 512 * 1408 + 6e6);
        ck_assert_double_eq_tol(f.store, WEIGHTS * (i == 0 ? 4.13 : i == 1 ? 8.05 : 16) / 8, 0.02 * f.store);
    }
}
END_TEST

START_TEST(a_file_of_stored_weights_is_not_copied)
{
    NEED_TOOL();
    char file[PATH_MAX];
    snprintf(file, sizeof file, "%s/base.safetensors", temp_dir());
    struct plan p = {model_folder(), "nf4", file, true};
    struct figures made = apart(&p), mapped = apart(&p);
    ck_assert(file_exists(file));
    ck_assert_double_le(mapped.opened - mapped.before, made.opened - made.before - 0.9 * made.store);
}
END_TEST

PG_TESTS(TEST(told_and_held), TEST(recomputation_saves_most_activations), TEST(loading_takes_the_store_and_one_weight),
         TEST(a_file_of_stored_weights_is_not_copied))
