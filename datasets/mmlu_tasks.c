/* MMLU as tasks: the built-in ones, and those of an experiment file's sections. */
#include <stddef.h>
#include <string.h>
#include "core/text.h"
#include "datasets/mmlu.h"

#define LM_EVAL(title, text, folder, shots_) \
    { \
        .name = title, .summary = text, .source = "Hendrycks et al. 2021, arXiv 2009.03300; MIT", .kind = TASK_CHOICE, \
        .dir = "mmlu", .labels = MMLU_CHOICES, .label_name = {"A", "B", "C", "D"}, \
        .metric = {"accuracy", "macro_accuracy"}, .max_len = 2048, .set = {{folder, SET_DEV, folder, NULL}}, \
        .load = mmlu_load, .tokenise = mmlu_tokenise, .priv = &(const struct mmlu) \
        { \
            .protocol = MMLU_LM_EVAL, .shots = shots_ \
        } \
    }

const struct task mmlu_test = LM_EVAL("mmlu", "57 subjects, 0-shot, test set, evaluation only", "test", 0);
const struct task mmlu_test_5shot = LM_EVAL("mmlu_5shot", "57 subjects, 5-shot, test set, evaluation only", "test", 5);
const struct task mmlu_val = LM_EVAL("mmlu_val", "57 subjects, 0-shot, validation set, evaluation only", "val", 0);
const struct task mmlu_val_5shot =
    LM_EVAL("mmlu_val_5shot", "57 subjects, 5-shot, validation set, evaluation only", "val", 5);

/* ---- sections ---- */

struct mmlu_options {
    const char *format, *subjects, *summary;
    int scoring, shots, set, bos, max_len;
};
#define FIELD(x) offsetof(struct mmlu_options, x)
const struct option mmlu_option_table[] = {
    {"format", OPT_STRING, FIELD(format), 0, 0, "mmlu", "mmlu", "this table's kind of task", 0},
    {"scoring", OPT_ENUM, FIELD(scoring), 0, 0, "lm-eval", MMLU_PROTOCOLS,
     "whose prompts, letters and average: Hendrycks et al., QLoRA's callback, lm-evaluation-harness", 0},
    {"shots", OPT_INT, FIELD(shots), 0, MMLU_SHOTS, "0", NULL,
     "solved examples before the question, from the dev files", 0},
    {"set", OPT_ENUM, FIELD(set), 0, 0, "test", "test|val|dev", "questions that are asked", 0},
    {"subjects", OPT_STRING, FIELD(subjects), 0, 0, "", "LIST", "only these; default: all 57", 0},
    {"bos", OPT_ENUM, FIELD(bos), 0, 0, "auto", "auto|no|yes", "begin token first; auto: as the protocol has it", 0},
    {"max_len", OPT_INT, FIELD(max_len), 16, 65536, "2048", NULL, "longest prompt in tokens", 0},
    {"summary", OPT_STRING, FIELD(summary), 0, 0, "MMLU of the experiment file", "TEXT", "one line for lists", 0},
    OPT_END};

static status choose_subjects(const char *list, const char *where, struct arena *arena, struct mmlu *m)
{
    char **word;
    int words;
    const char *names[MMLU_SUBJECTS];
    TRY(text_split(list, ',', arena, &word, &words));
    for (int i = 0; i < MMLU_SUBJECTS; i++) {
        names[i] = mmlu_subject_table[i].name;
        m->left_out[i] = words > 0;
    }
    for (int i = 0; i < words; i++) {
        int at = mmlu_subject_find(word[i]);
        const char *near = at < 0 ? text_nearest(word[i], names, MMLU_SUBJECTS) : NULL;
        FAIL_IF(at < 0, ST_USAGE, "%s: MMLU has no subject '%s'%s%s%s", where, word[i], near ? "; did you mean '" : "",
                near ? near : "", near ? "'?" : "");
        m->left_out[at] = false;
    }
    return ST_OK;
}

status mmlu_make(const char *name, const struct key_value *kv, int count, const char *ini_path, struct arena *arena,
                 struct task **out)
{
    static const char *const set_name[] = {"test", "val", "dev"};
    struct mmlu_options o;
    struct task *task;
    struct mmlu *m;
    TRY(option_defaults(mmlu_option_table, &o, arena));
    for (int i = 0; i < count; i++) {
        const char *where = key_place(&kv[i], 1, kv[i].key, ini_path, arena);
        TRY(option_set(mmlu_option_table, &o, kv[i].key, kv[i].value, where, arena));
    }
    FAIL_IF(o.set == 2 && o.shots > 0, ST_USAGE, "%s: the shots are taken from the dev set, which is asked itself",
            key_place(kv, count, "shots", ini_path, arena));
    ZNEW(task, arena, 1);
    ZNEW(m, arena, 1);
    *m = (struct mmlu){(enum mmlu_protocol)o.scoring, o.shots, (enum mmlu_bos)o.bos, {false}};
    TRY(choose_subjects(o.subjects, key_place(kv, count, "subjects", ini_path, arena), arena, m));
    *task = mmlu_test;
    if (o.scoring == MMLU_QLORA) {
        task->metric[0] = "macro_accuracy";
        task->metric[1] = "accuracy";
    }
    if (!(task->name = arena_strdup(arena, name))) return ST_MEMORY;
    task->summary = o.summary;
    task->max_len = o.max_len;
    task->priv = m;
    task->set[0].name = task->set[0].file = set_name[o.set];
    /* Two sections may cut prompts of the same rows differently: what decides tokens beside the rows. */
    if (!(task->token_key = arena_printf(arena, "mmlu protocol=%d bos=%d", o.scoring, o.bos))) return ST_MEMORY;
    *out = task;
    return ST_OK;
}
