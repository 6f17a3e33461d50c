/* The schema: every item a record may hold, in the order of the document. Adding a row here is all it takes to store a
 * new item. A path must match one row only (tests/results/test_record.c checks the table). */
#include "results/record.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
const struct schema_item schema_table[] = {
    /* ---- run ---- */
    {"run/id", ITEM_STRING, "", "", "SHA-256 over all that decides the bits: canon and the hashes of model, tokenizer and data", NEED_ALWAYS},
    {"run/canon", ITEM_STRING, "", "", "canonical text of the resolved cell, one name=value a line", NEED_ALWAYS},
    {"run/status", ITEM_STRING, "", "", "ok, diverged or failed", NEED_ALWAYS},
    {"run/cause", ITEM_STRING, "", "", "the sentence that says why, when the status is not ok", NEED_NOTHING},
    {"run/row", ITEM_STRING, "", "", "name of the table row", NEED_ALWAYS},
    {"run/method", ITEM_STRING, "", "", "method that trained, presets resolved", NEED_ALWAYS},
    {"run/store", ITEM_STRING, "", "", "how base weights were kept", NEED_ALWAYS},
    {"run/arith", ITEM_STRING, "", "", "arithmetic of linear, norm and embedding", NEED_ALWAYS},
    {"run/task", ITEM_STRING, "", "", "task", NEED_ALWAYS},
    {"run/model", ITEM_STRING, "", "", "model as written in the experiment", NEED_ALWAYS},
    {"run/seed", ITEM_INT, "", "", "seed of every random draw", NEED_ALWAYS},
    {"run/protocol", ITEM_STRING, "", "", "protocol the experiment asks for: best, last or split", NEED_ALWAYS},
    {"run/family", ITEM_STRING, "", "", "architecture of the model, as in its config.json", NEED_NOTHING},
    {"run/numerics", ITEM_INT, "", "", "version of the numerics: raised when the bits of a result change", NEED_ALWAYS},
    {"run/kernels", ITEM_STRING, "", "", "kernel class the bits depend on (own kernels: one class for all machines)", NEED_ALWAYS},

    /* ---- hashes ---- */
    {"hashes/model", ITEM_STRING, "", "SHA-256", "content of the model's weights and configuration", NEED_RESULT},
    {"hashes/tokenizer", ITEM_STRING, "", "SHA-256", "files the tokenizer was made from", NEED_RESULT},
    {"hashes/data/{}", ITEM_STRING, "", "SHA-256", "texts and labels of a set, as used", NEED_RESULT},

    /* ---- config ---- */
    {"config/{}", ITEM_STRING, "", "", "one resolved option, for instance train.lr or lora.rank", NEED_ALWAYS},

    /* ---- data ---- */
    {"data/{}/examples", ITEM_INT, "", "examples", "size of a set, as used", NEED_RESULT},
    {"data/{}/tokens", ITEM_INT, "", "tokens", "real tokens of all examples together", NEED_RESULT},
    {"data/{}/longest", ITEM_INT, "", "tokens", "longest example", NEED_RESULT},
    {"data/{}/truncated", ITEM_INT, "", "examples", "examples cut to the maximum length", NEED_RESULT},

    /* ---- train ---- */
    {"train/steps", ITEM_INT, "", "steps", "optimiser steps done", NEED_RESULT},
    {"train/steps_per_epoch", ITEM_INT, "", "steps", "optimiser steps in one pass over the training set", NEED_RESULT},
    {"train/tokens", ITEM_INT, "", "tokens", "real tokens trained on, over all epochs", NEED_RESULT},
    {"train/loss", ITEM_REALS, "steps", "", "mean training loss of each step's examples, without penalty", NEED_RESULT},
    {"train/lr", ITEM_REALS, "steps", "", "learning rate of each step", NEED_RESULT},
    {"train/grad_norm", ITEM_REALS, "steps", "", "gradient norm of each step before clipping", NEED_RESULT},
    {"train/penalty", ITEM_REALS, "steps", "", "the method's penalty of each step; 0 without one", NEED_RESULT},

    /* ---- eval ---- */
    {"eval/metric_names", ITEM_STRINGS, "metrics", "", "names of the metric columns below; the first is the task's main one", NEED_RESULT},
    {"eval/main_is_mean", ITEM_INT, "", "0 or 1", "the main score is the mean of all metrics, not the first", NEED_RESULT},
    {"eval/{}/{}/steps", ITEM_INTS, "evaluations", "steps", "optimiser steps done at each evaluation of a set and variant", NEED_RESULT},
    {"eval/{}/{}/epochs", ITEM_REALS, "evaluations", "epochs", "the same in epochs", NEED_RESULT},
    {"eval/{}/{}/loss", ITEM_REALS, "evaluations", "", "mean loss on the set: of an example, a target token, or a right letter", NEED_RESULT},
    {"eval/{}/{}/metrics", ITEM_REALS, "evaluations x metrics", "", "every metric on the whole set; NaN: undefined", NEED_RESULT},
    {"eval/{}/{}/first_half", ITEM_REALS, "evaluations x metrics", "", "the same on the half that chooses (protocol split)", NEED_RESULT},
    {"eval/{}/{}/second_half", ITEM_REALS, "evaluations x metrics", "", "the same on the half that reports (protocol split)", NEED_RESULT},

    /* ---- scores ---- */
    {"scores/{}/best", ITEM_REAL, "", "", "main score of a variant at its best evaluation (the mean over the sets when there are several)", NEED_RESULT},
    {"scores/{}/best_step", ITEM_INT, "", "steps", "the step of that evaluation (the first of equals)", NEED_RESULT},
    {"scores/{}/last", ITEM_REAL, "", "", "main score at the last evaluation", NEED_RESULT},
    {"scores/{}/split", ITEM_REAL, "", "", "main score on the second halves at the evaluation that was best on the first halves", NEED_RESULT},
    {"scores/{}/split_step", ITEM_INT, "", "steps", "the step of that evaluation", NEED_RESULT},

    /* ---- predictions ---- */
    {"labels/{}", ITEM_REALS, "examples", "", "labels of a set: class index or value; language models: target tokens of each sequence", NEED_RESULT},
    {"halves/{}", ITEM_INTS, "examples", "", "0: the example belongs to the first half of protocol split, 1: to the second", NEED_RESULT},
    {"predictions/{}/{}/last", ITEM_REALS, "examples x outputs", "", "logits (regression: values; language models: loss of each sequence; MMLU: scores of the letters) of a set and variant at the last evaluation", NEED_RESULT},
    {"predictions/{}/{}/best", ITEM_REALS, "examples x outputs", "", "the same at the variant's best evaluation", NEED_RESULT},

    /* ---- subjects: MMLU ---- */
    {"subjects/names", ITEM_STRINGS, "subjects", "", "MMLU's subjects", NEED_NOTHING},
    {"subjects/categories", ITEM_STRINGS, "categories", "", "MMLU's categories", NEED_NOTHING},
    {"subjects/averages", ITEM_STRINGS, "averages", "", "macro (mean of subjects), micro (all questions)", NEED_NOTHING},
    {"subjects/{}/questions", ITEM_INTS, "subjects", "questions", "questions asked of each subject in a set", NEED_NOTHING},
    {"subjects/{}/category", ITEM_INTS, "subjects", "", "category of each subject as the set's protocol has it", NEED_NOTHING},
    {"subjects/{}/subject", ITEM_INTS, "examples", "", "subject of every question", NEED_NOTHING},
    {"subjects/{}/{}/last_accuracy", ITEM_REALS, "subjects", "", "accuracy of each subject at the last evaluation of a set and variant; NaN: not asked", NEED_NOTHING},
    {"subjects/{}/{}/last_error", ITEM_REALS, "subjects", "", "its standard error", NEED_NOTHING},
    {"subjects/{}/{}/last_categories", ITEM_REALS, "categories", "", "accuracy of each category, all its questions alike", NEED_NOTHING},
    {"subjects/{}/{}/last_categories_error", ITEM_REALS, "categories", "", "its standard error, from the pooled variance of the subjects", NEED_NOTHING},
    {"subjects/{}/{}/last_averages", ITEM_REALS, "averages", "", "macro and micro average", NEED_NOTHING},
    {"subjects/{}/{}/last_averages_error", ITEM_REALS, "averages", "", "their standard errors", NEED_NOTHING},
    {"subjects/{}/{}/best_accuracy", ITEM_REALS, "subjects", "", "the same six at the variant's best evaluation", NEED_NOTHING},
    {"subjects/{}/{}/best_error", ITEM_REALS, "subjects", "", "standard errors", NEED_NOTHING},
    {"subjects/{}/{}/best_categories", ITEM_REALS, "categories", "", "accuracy of each category", NEED_NOTHING},
    {"subjects/{}/{}/best_categories_error", ITEM_REALS, "categories", "", "standard errors", NEED_NOTHING},
    {"subjects/{}/{}/best_averages", ITEM_REALS, "averages", "", "macro and micro average", NEED_NOTHING},
    {"subjects/{}/{}/best_averages_error", ITEM_REALS, "averages", "", "standard errors", NEED_NOTHING},

    /* ---- texts: greedy continuations ---- */
    {"texts/{}/{}/prompt", ITEM_STRINGS, "prompts", "", "different prompts of a set, in order of appearance", NEED_NOTHING},
    {"texts/{}/{}/written", ITEM_STRINGS, "prompts", "", "what a variant wrote for each at the last evaluation", NEED_NOTHING},

    /* ---- parameters ---- */
    {"parameters/base", ITEM_INT, "", "parameters", "parameters of the pretrained part of the network", NEED_RESULT},
    {"parameters/base_trained", ITEM_INT, "", "parameters", "of these, trained ones", NEED_RESULT},
    {"parameters/head", ITEM_INT, "", "parameters", "trained parameters of the head", NEED_RESULT},
    {"parameters/adapter_initial", ITEM_INT, "", "parameters", "adapter parameters trained at the start", NEED_RESULT},
    {"parameters/adapter_peak", ITEM_INT, "", "parameters", "largest number trained at any time", NEED_RESULT},
    {"parameters/adapter_final", ITEM_INT, "", "parameters", "trained at the end", NEED_RESULT},
    {"parameters/deployed/{}", ITEM_INT, "", "parameters", "adapter parameters in what a variant deploys at the end", NEED_RESULT},
    {"parameters/equation_16", ITEM_INT, "", "parameters", "6 r l d: the B-LoRA paper's count for query, key and value at the largest rank", NEED_NOTHING},
    {"parameters/equation_17", ITEM_INT, "", "parameters", "2 r l (5 d + d_i): its count for all six matrices of a layer", NEED_NOTHING},
    {"parameters/equation_22", ITEM_INT, "", "parameters", "the paper's appendix: the same as 17", NEED_NOTHING},
    {"parameters/equation_23", ITEM_INT, "", "parameters", "the paper's appendix: the same as 16", NEED_NOTHING},

    /* ---- shape ---- */
    {"shape/{}", ITEM_INT, "", "", "a size of the network that its products follow from: hidden, layers, ffn, position_buckets, ...", NEED_NOTHING},

    /* ---- bops ---- */
    {"bops/settings", ITEM_STRINGS, "settings", "", "paper (length 20, 512 table rows), max_length, mean_length", NEED_RESULT},
    {"bops/lengths", ITEM_REALS, "settings", "tokens", "sequence length of each setting", NEED_RESULT},
    {"bops/table_rows", ITEM_REALS, "settings", "rows", "rows of the relative table in each setting; 0: the model has none", NEED_RESULT},
    {"bops/scopes", ITEM_STRINGS, "scopes", "", "encoder, attention", NEED_RESULT},
    {"bops/{}/absolute", ITEM_REALS, "settings x scopes", "bit operations", "sum over products of MACs x bits x bits, adapters included, one sequence", NEED_RESULT},
    {"bops/{}/relative", ITEM_REALS, "settings x scopes", "", "the same over the unquantised network without adapters", NEED_RESULT},
    {"bops/{}/of_lora16", ITEM_REALS, "settings x scopes", "", "over LoRA of rank 16 on query, key and value", NEED_NOTHING},
    {"bops/{}/of_unquantised", ITEM_REALS, "settings x scopes", "", "over the same adapters at full rank with all operands at 32 bits", NEED_NOTHING},
    {"bops/ratios", ITEM_STRINGS, "ratios", "", "rows of deberta_base: absolute, relative, of_lora16, of_unquantised", NEED_NOTHING},
    {"bops/{}/deberta_base", ITEM_REALS, "ratios x scopes", "", "the ranks and bits of this run, carried by role and relative depth to the shape of DeBERTaV3-base at length 20 and 512 table rows", NEED_NOTHING},

    /* ---- trace ---- */
    {"trace/steps", ITEM_INTS, "times", "steps", "when ranks and bits were looked at", NEED_NOTHING},
    {"trace/sites", ITEM_STRINGS, "sites", "", "sites the method attached something to, and linear layers in integers", NEED_NOTHING},
    {"trace/operands", ITEM_STRINGS, "operands", "", "names of the bit columns: w, x, a, b, e, qa, qe, out", NEED_NOTHING},
    {"trace/{}/rank", ITEM_INTS, "times x sites", "", "rank of each site; 0: no low-rank part", NEED_NOTHING},
    {"trace/{}/rank_max", ITEM_INTS, "times x sites", "", "rank the site was given room for", NEED_NOTHING},
    {"trace/{}/trained", ITEM_REALS, "times x sites", "parameters", "adapter parameters trained", NEED_NOTHING},
    {"trace/{}/deployed", ITEM_REALS, "times x sites", "parameters", "adapter parameters that survive in what is deployed", NEED_NOTHING},
    {"trace/{}/macs", ITEM_REALS, "times x sites", "multiply-accumulates", "products of the adapter for one token", NEED_NOTHING},
    {"trace/{}/bits", ITEM_REALS, "times x sites x operands", "bits", "bits of each operand", NEED_NOTHING},
    {"trace/{}/bits_stored", ITEM_REALS, "times x sites", "bits", "what a base weight takes in memory; there when the method keeps it itself instead of the store", NEED_NOTHING},

    /* ---- adapter ---- */
    {"adapter/bytes", ITEM_INT, "", "bytes", "adapter and head as stored at the end (data of the tensors)", NEED_RESULT},

    /* ---- environment: all that may differ between two runs of the same bits; not covered by the content hash ---- */
    {"environment/experiment", ITEM_STRING, "", "", "name of the experiment", NEED_NOTHING},
    {"environment/label", ITEM_STRING, "", "", "the cell's label in progress lines", NEED_NOTHING},
    {"environment/tuning", ITEM_STRING, "", "", "for a row whose options were tuned: the values tried on the tuning seeds, their runs, time and scores", NEED_NOTHING},
    {"environment/adapter_file", ITEM_STRING, "", "", "name of the saved adapter beside the record, when it was kept", NEED_NOTHING},
    {"environment/adapter_sha256", ITEM_STRING, "", "SHA-256", "of that file", NEED_NOTHING},
    {"environment/date", ITEM_STRING, "", "", "start, UTC, ISO 8601", NEED_ALWAYS},
    {"environment/wall_seconds", ITEM_REAL, "", "s", "whole run", NEED_ALWAYS},
    {"environment/train_seconds", ITEM_REAL, "", "s", "training steps", NEED_RESULT},
    {"environment/eval_seconds", ITEM_REAL, "", "s", "evaluations", NEED_RESULT},
    {"environment/tokens_per_second", ITEM_REAL, "", "tokens/s", "real tokens trained a second of training", NEED_RESULT},
    {"environment/peak_rss_bytes", ITEM_INT, "", "bytes", "largest resident memory of the process", NEED_RESULT},
    {"environment/arena_peak_bytes", ITEM_INT, "", "bytes", "largest memory of the program's arenas", NEED_RESULT},
    {"environment/threads", ITEM_INT, "", "", "threads", NEED_ALWAYS},
    {"environment/host", ITEM_STRING, "", "", "host name", NEED_ALWAYS},
    {"environment/cpu", ITEM_STRING, "", "", "processor", NEED_ALWAYS},
    {"environment/cpu_class", ITEM_STRING, "", "", "vector instructions in use", NEED_ALWAYS},
    {"environment/system", ITEM_STRING, "", "", "operating system", NEED_NOTHING},
    {"environment/compiler", ITEM_STRING, "", "", "compiler", NEED_ALWAYS},
    {"environment/version", ITEM_STRING, "", "", "version of the program", NEED_ALWAYS},
    {"environment/libraries", ITEM_STRING, "", "", "versions of the libraries", NEED_NOTHING},
    {"environment/command", ITEM_STRING, "", "", "command line", NEED_NOTHING},

    /* ---- slim: what stands in a merged file for items that were left out of a record (`peftgrid merge`) ---- */
    {"slim/content_hash", ITEM_STRING, "", "SHA-256", "content hash of the whole record", NEED_NOTHING},
    {"slim/left_out", ITEM_STRINGS, "patterns", "", "paths of this document that were left out", NEED_NOTHING},
    {"slim/{}/constant", ITEM_INTS, "protocols", "", "for best, last, split: 1: one class (one value) is predicted for every example; 0: not; -1: cannot be told", NEED_NOTHING},
    {"slim/{}/right_best", ITEM_INTS, "examples", "", "1: rightly predicted at the best evaluation, all sets one after the other", NEED_NOTHING},
    {"slim/{}/right_last", ITEM_INTS, "examples", "", "the same at the last evaluation", NEED_NOTHING},

    /* ---- merged: many records as one, see the end of the document ---- */
    {"merged/ids", ITEM_STRINGS, "records", "", "run/id of each record, sorted", NEED_NOTHING},
    {"merged/hashes", ITEM_STRINGS, "records", "SHA-256", "content hash of each record as it is stored here", NEED_NOTHING},
    {"merged/paths", ITEM_STRINGS, "paths", "", "every path that some record has, sorted", NEED_NOTHING},
    {"merged/types", ITEM_STRINGS, "paths", "", "their types, as in the content hash: s0, i0, r0 scalars, s1 to r3 arrays", NEED_NOTHING},
    {"merged/strings", ITEM_STRINGS, "texts", "", "every text that occurs, sorted", NEED_NOTHING},
    {"merged/index", ITEM_INTS, "items x 6", "", "record, path, the three dimensions (1 where there is none), place of the first value", NEED_NOTHING},
    {"merged/ints", ITEM_INTS, "values", "", "values of int64 items; for strings their places in merged/strings", NEED_NOTHING},
    {"merged/reals", ITEM_REALS, "values", "", "values of float64 items", NEED_NOTHING},
    {NULL, ITEM_STRING, NULL, NULL, NULL, NEED_NOTHING},
};
/* clang-format on */

const char *item_type_name(enum item_type type)
{
    static const char *const names[] = {"string", "int64", "float64", "strings", "int64 array", "float64 array"};
    return names[type];
}

/* Whether the path is of the pattern's form; {} stands for one whole name, which is not empty. */
static int path_matches(const char *pattern, const char *path)
{
    for (;; pattern++, path++) {
        if (pattern[0] == '{') {
            const char *name = path;
            while (*path && *path != '/') path++;
            if (path == name) return 0;
            pattern += 2;
        }
        if (*pattern != *path) return 0;
        if (!*pattern) return 1;
    }
}

const struct schema_item *schema_find(const char *path)
{
    for (const struct schema_item *s = schema_table; s->path; s++)
        if (path_matches(s->path, path)) return s;
    return NULL;
}

int schema_rank(const struct schema_item *s)
{
    if (!*s->dims) return 0;
    int rank = 1;
    for (const char *p = s->dims; (p = strstr(p, " x ")) != NULL; p += 3) rank++;
    return rank;
}

status record_path(char out[RECORD_PATH], const char *pattern, const char *first, const char *second)
{
    const char *name[2] = {first, second};
    size_t n = 0;
    int used = 0;
    for (const char *p = pattern; *p;) {
        if (p[0] != '{' || p[1] != '}') {
            FAIL_IF(n + 1 >= RECORD_PATH, ST_INTERNAL, "the record path %s is too long", pattern);
            out[n++] = *p++;
            continue;
        }
        FAIL_IF(used == 2 || !name[used], ST_INTERNAL, "the record path %s lacks a name", pattern);
        const char *s = *name[used] ? name[used] : RECORD_MAIN;
        used++;
        FAIL_IF(n + strlen(s) >= RECORD_PATH, ST_INTERNAL, "the record path %s is too long with the name %s", pattern,
                s);
        for (; *s; s++) out[n++] = *s == '/' ? '|' : *s;
        p += 2;
    }
    out[n] = 0;
    return ST_OK;
}

/* ---- required items ---------------------------------------------------------------------------------------------- */

/* Length of a path without its last component. */
static size_t group_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) : 0;
}

/* The instances of a group with names of the run's choice are those in which any item lies. */
static status check_instances(const struct record *r, const struct schema_item *s)
{
    size_t pn = group_length(s->path);
    const char *last = s->path + pn + 1;
    int found = 0;
    for (int i = 0; i < r->count; i++) {
        const struct schema_item *other = r->item[i].schema;
        if (other == s) found = 1;
        if (strcmp(last, "{}") == 0 || group_length(other->path) != pn || memcmp(other->path, s->path, pn) != 0)
            continue;
        char want[RECORD_PATH + 64];
        snprintf(want, sizeof want, "%.*s/%s", (int)group_length(r->item[i].path), r->item[i].path, last);
        FAIL_IF(!record_get(r, want), ST_INTERNAL, "the record lacks the required item %s", want);
    }
    FAIL_IF(!found, ST_INTERNAL, "the record lacks the required item %s", s->path);
    return ST_OK;
}

static int left_out(const struct record_item *list, const char *path)
{
    for (size_t i = 0; list && i < list->n; i++)
        if (strcmp(list->v.ss[i], path) == 0) return 1;
    return 0;
}

status record_check(const struct record *r)
{
    const struct record_item *out = record_get(r, "slim/left_out");
    const char *state = record_get_string(r, "run/status", "");
    int ok = strcmp(state, "ok") == 0;
    for (const struct schema_item *s = schema_table; s->path; s++) {
        if (s->required == NEED_NOTHING || (s->required == NEED_RESULT && !ok)) continue;
        if (left_out(out, s->path)) continue;
        if (strstr(s->path, "{}")) {
            TRY(check_instances(r, s));
        } else {
            FAIL_IF(!record_get(r, s->path), ST_INTERNAL, "the record lacks the required item %s", s->path);
        }
    }
    FAIL_IF(!ok && strcmp(state, "diverged") != 0 && strcmp(state, "failed") != 0, ST_INTERNAL,
            "run/status is '%s', expected ok, diverged or failed", state);
    FAIL_IF(!ok && !record_get(r, "run/cause"), ST_INTERNAL, "the record of a run that is not ok lacks run/cause");
    return ST_OK;
}
