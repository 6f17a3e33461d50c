/* Language-model tasks: the built-in ones, and those of an experiment file's sections. */
#include <stddef.h>
#include <string.h>
#include "core/text.h"
#include "datasets/lm.h"

/* ---- built in ---- */

/* The official training file may be there as it is or as the detokenised copy. */
#define E2E_SETS \
    { \
        {"train", SET_TRAIN, "trainset.csv|trainset_detok.csv", NULL}, {"dev", SET_DEV, "devset.csv", NULL}, \
        { \
            "test", SET_TEST, "testset_w_refs.csv", NULL \
        } \
    }
#define E2E_SOURCE "Novikova et al. 2017, E2E NLG challenge; CC BY-SA 4.0"
static const struct lm e2e = {
    .style = LM_COMPLETION, .format = TAB_CSV, .prompt = "{mr} ||", .completion = "{ref}", .separator = " "};

const struct task lm_e2e = {.name = "e2e",
                            .summary = "a restaurant's facts put into words; perplexity",
                            .source = E2E_SOURCE,
                            .kind = TASK_LM,
                            .dir = "e2e",
                            .labels = 1,
                            .metric = {"perplexity"},
                            .max_len = 256,
                            .set = E2E_SETS,
                            .load = lm_load,
                            .tokenise = lm_tokenise,
                            .priv = &e2e};
const struct task lm_e2e_text = {.name = "e2e_text",
                                 .summary = "the same; the texts written at the end are scored too: BLEU, NIST",
                                 .source = E2E_SOURCE,
                                 .kind = TASK_LM,
                                 .dir = "e2e",
                                 .labels = 1,
                                 .metric = {"perplexity", "bleu", "nist"},
                                 .max_len = 256,
                                 .set = E2E_SETS,
                                 .load = lm_load,
                                 .tokenise = lm_tokenise,
                                 .generation = &(const struct generation){.max_new = 96},
                                 .priv = &e2e};

#define WIKITEXT(title, text, ...) \
    { \
        .name = title, .summary = text, .source = "Merity et al. 2016, WikiText-2 raw; CC BY-SA 3.0", .kind = TASK_LM, \
        .dir = "wikitext-2", .labels = 1, .metric = {"perplexity"}, .max_len = 256, .set = {__VA_ARGS__}, \
        .load = lm_load, .tokenise = lm_tokenise, .priv = &(const struct lm) \
        { \
            .style = LM_TEXT \
        } \
    }
const struct task lm_wikitext2 =
    WIKITEXT("wikitext2", "articles of Wikipedia in blocks of max_len tokens; perplexity",
             {"train", SET_TRAIN, "wiki.train.raw", NULL}, {"dev", SET_DEV, "wiki.valid.raw", NULL},
             {"test", SET_TEST, "wiki.test.raw", NULL});
const struct task lm_wikitext2_valid =
    WIKITEXT("wikitext2_valid", "the same, trained on the validation set and measured on the test set",
             {"train", SET_TRAIN, "wiki.valid.raw", NULL}, {"dev", SET_DEV, "wiki.test.raw", NULL});

/* ---- sections ---- */

struct lm_options {
    int style, format, header, turns, bos, end, pack, max_prompt, max_completion, max_len, separator, generate,
        max_generate;
    const char *train, *dev, *test, *prompt, *completion, *benchmark, *summary;
};
#define FIELD(x) offsetof(struct lm_options, x)
const struct option lm_option_table[] = {
    {"style", OPT_ENUM, FIELD(style), 0, 0, NULL, LM_STYLES, "what a row is made of", 0},
    {"format", OPT_ENUM, FIELD(format), 0, 0, "jsonl", TAB_FORMATS, "form of the files; style text has none", 0},
    {"train", OPT_STRING, FIELD(train), 0, 0, NULL, "FILE", "training set, relative to the experiment file", 0},
    {"dev", OPT_STRING, FIELD(dev), 0, 0, "", "FILE", "evaluation set; may be left out where there is a benchmark", 0},
    {"test", OPT_STRING, FIELD(test), 0, 0, "", "FILE", "another labelled set, for `evaluate`", 0},
    {"header", OPT_BOOL, FIELD(header), 0, 0, "yes", NULL, "the first line names the columns", 0},
    {"prompt", OPT_STRING, FIELD(prompt), 0, 0, "", "TEMPLATE",
     "style completion: {column} names and text; \\n a new line, \\# a #", 0},
    {"completion", OPT_STRING, FIELD(completion), 0, 0, "", "TEMPLATE", "style completion: what is learnt", 0},
    {"separator", OPT_ENUM, FIELD(separator), 0, 0, "space", "space|none|newline", "between prompt and completion", 0},
    {"turns", OPT_ENUM, FIELD(turns), 0, 0, "all", "all|assistant", "style guanaco: whose words are learnt", 0},
    {"bos", OPT_ENUM, FIELD(bos), 0, 0, "auto", "auto|no|yes", "begin token first; auto: where the tokenizer has one",
     0},
    {"end", OPT_BOOL, FIELD(end), 0, 0, "yes", NULL, "the end token is learnt after each completion", 0},
    {"pack", OPT_BOOL, FIELD(pack), 0, 0, "no", NULL, "cut the examples, one after the other, into blocks of max_len",
     0},
    {"max_prompt", OPT_INT, FIELD(max_prompt), 0, 65536, "0", NULL, "tokens kept of a prompt; 0: no limit of its own",
     0},
    {"max_completion", OPT_INT, FIELD(max_completion), 0, 65536, "0", NULL,
     "tokens kept of a completion, the end token included; 0: no limit of its own", 0},
    {"generate", OPT_INT, FIELD(generate), 0, 4096, "0", NULL,
     "new tokens when the dev prompts are continued at the end (BLEU, NIST); 0: they are not", 0},
    {"max_generate", OPT_INT, FIELD(max_generate), 0, 2147483647, "0", NULL, "first prompts to continue; 0: all", 0},
    {"benchmark", OPT_STRING, FIELD(benchmark), 0, 0, "", "TASK",
     "an MMLU task, built in or of a section: evaluated too, and its score is the run's", 0},
    {"max_len", OPT_INT, FIELD(max_len), 2, 65536, "512", NULL, "longest sequence in tokens", 0},
    {"summary", OPT_STRING, FIELD(summary), 0, 0, "a task of the experiment file", "TEXT", "one line for lists", 0},
    OPT_END};

struct lm_making {
    const char *name, *ini;
    const struct key_value *kv;
    int count;
    struct arena *arena;
    struct lm_options o;
    struct task *task;
    struct lm *lm;
};

static const char *place(const struct lm_making *m, const char *key)
{
    return key_place(m->kv, m->count, key, m->ini, m->arena);
}

static status read_options(struct lm_making *m)
{
    TRY(option_defaults(lm_option_table, &m->o, m->arena));
    for (int i = 0; i < m->count; i++)
        TRY(option_set(lm_option_table, &m->o, m->kv[i].key, m->kv[i].value, place(m, m->kv[i].key), m->arena));
    const struct lm_options *o = &m->o;
    FAIL_IF(!o->train || !*o->train, ST_USAGE, "%s: [task %s] lacks 'train' (training set)", place(m, "train"),
            m->name);
    FAIL_IF(!*o->dev && !*o->benchmark, ST_USAGE, "%s: [task %s] lacks 'dev' (evaluation set), and has no benchmark",
            place(m, "dev"), m->name);
    bool templates = *o->prompt || *o->completion;
    FAIL_IF(o->style == LM_COMPLETION && !*o->completion, ST_USAGE,
            "%s: [task %s] has style = completion and lacks 'completion', such as {answer}", place(m, "style"),
            m->name);
    FAIL_IF(o->style != LM_COMPLETION && templates, ST_USAGE, "%s: templates are for style = completion",
            place(m, *o->prompt ? "prompt" : "completion"));
    FAIL_IF(o->style != LM_GUANACO && o->turns, ST_USAGE, "%s: turns are for style = guanaco", place(m, "turns"));
    FAIL_IF(o->generate && (!*o->dev || o->style == LM_TEXT || o->style == LM_GUANACO), ST_USAGE,
            "%s: generate needs a dev set of prompts", place(m, "generate"));
    return ST_OK;
}

/* A set has the name of its key. */
static status add_set(struct lm_making *m, int *at, const char *set, enum set_kind kind, const char *file)
{
    if (!*file) return ST_OK;
    const char *path = key_file(m->kv, m->count, set, file, m->arena);
    if (!path) return ST_MEMORY;
    m->task->set[(*at)++] = (struct task_set){set, kind, path, NULL};
    return ST_OK;
}

static status set_priv(struct lm_making *m)
{
    static const char *const separator[] = {" ", NULL, "\n"};
    const struct lm_options *o = &m->o;
    ZNEW(m->lm, m->arena, 1);
    *m->lm = (struct lm){.style = (enum lm_style)o->style,
                         .format = (enum tab_format)o->format,
                         .no_header = !o->header,
                         .prompt = o->prompt,
                         .completion = o->completion,
                         .separator = o->style == LM_COMPLETION ? separator[o->separator] : NULL,
                         .turns = (enum lm_turns)o->turns,
                         .bos = (enum lm_bos)o->bos,
                         .no_end = !o->end,
                         .pack = o->pack,
                         .max_prompt = o->max_prompt,
                         .max_completion = o->max_completion};
    m->task->priv = m->lm;
    m->task->token_key =
        arena_printf(m->arena, "lm style=%d separator=%d turns=%d bos=%d end=%d pack=%d prompt=%d completion=%d",
                     o->style, o->separator, o->turns, o->bos, o->end, o->pack, o->max_prompt, o->max_completion);
    return m->task->token_key ? ST_OK : ST_MEMORY;
}

static status set_metrics(struct lm_making *m)
{
    struct task *task = m->task;
    int n = 0;
    if (*m->o.benchmark) {
        task->benchmark_name = m->o.benchmark; /* its metrics come first when it is known */
        return ST_OK;
    }
    task->metric[n++] = "perplexity";
    if (!m->o.generate) return ST_OK;
    struct generation *g;
    ZNEW(g, m->arena, 1);
    *g = (struct generation){m->o.generate, m->o.max_generate};
    task->generation = g;
    task->metric[n++] = "bleu";
    task->metric[n++] = "nist";
    return ST_OK;
}

status lm_make(const char *name, const struct key_value *kv, int count, const char *ini_path, struct arena *arena,
               struct task **out)
{
    struct lm_making m = {.name = name, .ini = ini_path, .kv = kv, .count = count, .arena = arena};
    int sets = 0;
    TRY(read_options(&m));
    ZNEW(m.task, arena, 1);
    if (!(m.task->name = arena_strdup(arena, name))) return ST_MEMORY;
    m.task->kind = TASK_LM;
    m.task->labels = 1;
    m.task->summary = m.o.summary;
    m.task->source = ini_path;
    m.task->max_len = m.o.max_len;
    m.task->load = lm_load;
    m.task->tokenise = lm_tokenise;
    TRY(add_set(&m, &sets, "train", SET_TRAIN, m.o.train));
    TRY(add_set(&m, &sets, "dev", SET_DEV, m.o.dev));
    TRY(add_set(&m, &sets, "test", SET_TEST, m.o.test));
    TRY(set_priv(&m));
    TRY(set_metrics(&m));
    *out = m.task;
    return ST_OK;
}
