/* GLUE from the official TSV folders. Every task is a table entry: names of columns, labels in Hugging Face's order,
 * metrics, sets; one loader reads them all. What the official files hold that a plain reader trips over:
 *
 *   CoLA   train and dev have no header line (columns: source, label, author's mark, sentence); dev lacks the last line
 * end MRPC   train and dev begin with a byte order mark; quotes are literal and unbalanced (so in QQP, QNLI, MNLI) QQP
 * a few train and dev lines lack fields (a question broken by a line end); empty questions MNLI   many columns, of
 * which two texts and gold_label matter, the last column of train (12 columns) and dev (16); gold_label "-" (no
 * agreement) in the distribution GLUE was made from all    test files have no labels; "index" (QQP: "id") is what a
 * submission refers to
 *
 * Labels: RTE, QNLI 0 = entailment; MNLI 0 entailment, 1 neutral, 2 contradiction (other tools reverse these). */
#include "datasets/glue.h"

#include "core/file.h"
#include "datasets/rows.h"

struct layout {
    struct columns labelled; /* train and dev */
    bool bare;               /* they have no header */
    struct columns test;
};

static status glue_load(const struct task *task, const struct task_set *set, const char *data_root, int max_examples,
                        struct arena *arena, struct rows *rows)
{
    const struct layout *layout = task->priv;
    bool test = set->kind == SET_TEST;
    const char *path;
    TRY(task_set_path(task, set, data_root, arena, &path));
    FAIL_IF(!file_exists(path), ST_INPUT, "%s is missing: it is the %s set of task %s", path, set->name, task->name);
    struct tabfile t;
    status st = tabfile_open(&t, TAB_TSV, path, test || !layout->bare, arena);
    if (st == ST_OK) st = rows_read(&t, test ? &layout->test : &layout->labelled, task, max_examples, arena, rows);
    tabfile_close(&t);
    return st;
}

#define TRAIN_DEV \
    {"train", SET_TRAIN, "train.tsv", NULL}, \
    { \
        "dev", SET_DEV, "dev.tsv", NULL \
    }
#define TEST_SET(file) \
    { \
        "test", SET_TEST, "test.tsv", file \
    }
#define GLUE_SOURCE(paper) paper "; GLUE: Wang et al. 2019"

const struct task glue_cola = {
    .name = "cola",
    .summary = "is the sentence acceptable English?",
    .source = GLUE_SOURCE("Warstadt et al. 2019"),
    .dir = "CoLA",
    .labels = 2,
    .label_name = {"0", "1"}, /* unacceptable, acceptable */
    .metric = {"matthews"},
    .max_len = 64,
    .set = {TRAIN_DEV, TEST_SET("CoLA.tsv")},
    .load = glue_load,
    .priv = &(const struct layout){{.a = "4", .label = "2", .width = 4}, true, {.a = "sentence", .id = "index"}},
};

const struct task glue_sst2 = {
    .name = "sst2",
    .summary = "sentiment of a phrase from a film review",
    .source = GLUE_SOURCE("Socher et al. 2013"),
    .dir = "SST-2",
    .labels = 2,
    .label_name = {"0", "1"}, /* negative, positive */
    .metric = {"accuracy"},
    .max_len = 128,
    .set = {TRAIN_DEV, TEST_SET("SST-2.tsv")},
    .load = glue_load,
    .priv = &(const struct layout){{.a = "sentence", .label = "label"}, false, {.a = "sentence", .id = "index"}},
};

#define MRPC_TEXTS .a = "#1 String|sentence1", .b = "#2 String|sentence2"
const struct task glue_mrpc = {
    .name = "mrpc",
    .summary = "do two news sentences say the same?",
    .source = GLUE_SOURCE("Dolan and Brockett 2005"),
    .dir = "MRPC",
    .labels = 2,
    .label_name = {"0", "1"}, /* not equivalent, equivalent */
    .pair = true,
    .metric = {"accuracy", "f1"},
    .max_len = 320,
    .set = {TRAIN_DEV, TEST_SET("MRPC.tsv")},
    .load = glue_load,
    .priv = &(const struct layout){{MRPC_TEXTS, .label = "Quality|label"}, false, {MRPC_TEXTS, .id = "index"}},
};

#define TWO_SENTENCES .a = "sentence1", .b = "sentence2"
const struct task glue_stsb = {
    .name = "stsb",
    .summary = "similarity of two sentences from 0 to 5",
    .source = GLUE_SOURCE("Cer et al. 2017"),
    .dir = "STS-B",
    .labels = 1,
    .lo = 0,
    .hi = 5,
    .pair = true,
    .metric = {"pearson", "spearman"},
    .main_is_mean = true,
    .max_len = 128,
    .set = {TRAIN_DEV, TEST_SET("STS-B.tsv")},
    .load = glue_load,
    .priv = &(const struct layout){{TWO_SENTENCES, .label = "score|label"}, false, {TWO_SENTENCES, .id = "index"}},
};

#define TWO_QUESTIONS .a = "question1", .b = "question2", .empty_text = true
const struct task glue_qqp = {
    .name = "qqp",
    .summary = "do two questions ask the same?",
    .source = GLUE_SOURCE("Quora Question Pairs, Iyer et al. 2017"),
    .dir = "QQP",
    .labels = 2,
    .label_name = {"0", "1"}, /* different, duplicate */
    .pair = true,
    .metric = {"accuracy", "f1"},
    .max_len = 320,
    .set = {TRAIN_DEV, TEST_SET("QQP.tsv")},
    .load = glue_load,
    .priv = &(const struct layout){{TWO_QUESTIONS, .label = "is_duplicate|label", .skip_short = true},
                                   false,
                                   {TWO_QUESTIONS, .id = "id|index"}},
};

#define NLI_LABELS \
    { \
        "entailment", "neutral", "contradiction" \
    }
const struct task glue_mnli = {
    .name = "mnli",
    .summary = "does the premise entail or contradict the hypothesis? ten genres",
    .source = GLUE_SOURCE("Williams et al. 2018"),
    .dir = "MNLI",
    .labels = 3,
    .label_name = NLI_LABELS,
    .pair = true,
    .metric = {"accuracy"},
    .main_is_mean = true,
    .max_len = 256,
    .set = {{"train", SET_TRAIN, "train.tsv", NULL},
            {"dev_matched", SET_DEV, "dev_matched.tsv", NULL},
            {"dev_mismatched", SET_DEV, "dev_mismatched.tsv", NULL},
            {"test_matched", SET_TEST, "test_matched.tsv", "MNLI-m.tsv"},
            {"test_mismatched", SET_TEST, "test_mismatched.tsv", "MNLI-mm.tsv"},
            {"ax", SET_TEST, "../diagnostic/diagnostic.tsv", "AX.tsv"}},
    .load = glue_load,
    .priv = &(const struct layout){{TWO_SENTENCES, .label = "gold_label", .skip_label = "-", .empty_text = true},
                                   false,
                                   {TWO_SENTENCES, .id = "index", .empty_text = true}},
};

const struct task glue_qnli = {
    .name = "qnli",
    .summary = "does the sentence answer the question?",
    .source = GLUE_SOURCE("from SQuAD, Rajpurkar et al. 2016"),
    .dir = "QNLI",
    .labels = 2,
    .label_name = {"entailment", "not_entailment"},
    .pair = true,
    .metric = {"accuracy"},
    .max_len = 512,
    .set = {TRAIN_DEV, TEST_SET("QNLI.tsv")},
    .load = glue_load,
    .priv = &(const struct layout){{.a = "question", .b = "sentence", .label = "label"},
                                   false,
                                   {.a = "question", .b = "sentence", .id = "index"}},
};

const struct task glue_rte = {
    .name = "rte",
    .summary = "does the text entail the hypothesis?",
    .source = GLUE_SOURCE("Dagan et al. 2006 and later RTE challenges"),
    .dir = "RTE",
    .labels = 2,
    .label_name = {"entailment", "not_entailment"},
    .pair = true,
    .metric = {"accuracy"},
    .max_len = 320,
    .set = {TRAIN_DEV, TEST_SET("RTE.tsv")},
    .load = glue_load,
    .priv = &(const struct layout){{TWO_SENTENCES, .label = "label"}, false, {TWO_SENTENCES, .id = "index"}},
};

const struct task glue_wnli = {
    .name = "wnli",
    .summary = "does the sentence hold with its pronoun replaced?",
    .source = GLUE_SOURCE("Levesque et al. 2012"),
    .dir = "WNLI",
    .labels = 2,
    .label_name = {"0", "1"}, /* not entailment, entailment */
    .pair = true,
    .metric = {"accuracy"},
    .max_len = 128,
    .set = {TRAIN_DEV, TEST_SET("WNLI.tsv")},
    .load = glue_load,
    .priv = &(const struct layout){{TWO_SENTENCES, .label = "label"}, false, {TWO_SENTENCES, .id = "index"}},
};

const struct task glue_ax = {
    .name = "ax",
    .summary = "diagnostic set for a model trained on mnli; unlabelled, for submission only",
    .source = "GLUE: Wang et al. 2019",
    .dir = "diagnostic",
    .labels = 3,
    .label_name = NLI_LABELS,
    .pair = true,
    .metric = {"accuracy"},
    .max_len = 128,
    .set = {{"test", SET_TEST, "diagnostic.tsv", "AX.tsv"}},
    .load = glue_load,
    .priv = &(const struct layout){.test = {TWO_SENTENCES, .id = "index"}},
};
