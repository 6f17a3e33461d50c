/* The golden runner: runs every case it finds in a folder laid out as the reference data are and prints a line a case.
 *
 *     golden DIR          DIR/models, DIR/methods, DIR/tokenizers; exit status 1 when a case failed
 *
 * Sizes, hyper-parameters and tolerances come from the files of a case. A check is a function that compares any number
 * of things; the line shows the one that came nearest to its tolerance, or passed it by most. SKIP is for what this
 * build does not have (a method, a model family) and for weights that are not on this machine. */
#ifndef PG_TESTS_GOLDEN_H
#define PG_TESTS_GOLDEN_H

#include <stdbool.h>
#include <stddef.h>
#include "bench/optimizer.h"
#include "core/arena.h"
#include "core/arith.h"
#include "core/jsonfile.h"
#include "core/real.h"
#include "core/status.h"
#include "datasets/dataset.h"
#include "models/checkpoint.h"

struct suite {
    const char *root; /* DIR */
    struct arena *arena;
    int passed, failed, skipped;
};

enum { CHECK_FILES = 8 };
struct check {           /* one line of output */
    struct arena *arena; /* emptied after the line */
    const char *root;    /* DIR */
    const char *dir;     /* folder of the case */
    const char *name;    /* "methods/lora_qkv" */
    json_t *info;        /* its case.json; NULL: none */
    /* verdict */
    int measured;
    double error, tolerance; /* of the worst thing */
    char what[256];          /* which one */
    char text[1024];         /* in place of error and tolerance; or why it was skipped */
    bool skip, failed;
    /* opened files, closed after the line */
    json_t *json[CHECK_FILES];
    struct checkpoint tensors[CHECK_FILES];
    int jsons, checkpoints;
};
/* ST_OK: the verdict is what was measured; any other status fails the case with its message. */
typedef status check_fn(struct check *, void *ctx);

/* Runs one check and prints its line. */
void suite_run(struct suite *s, const char *name, const char *dir, check_fn *fn, void *ctx);

/* The folders of cases. */
status golden_models(struct suite *);
status golden_methods(struct suite *);
status golden_tokenizers(struct suite *);

/* ---- inside a check ---------------------------------------------------------------------------------------------- */

status check_skip(struct check *, const char *why, ...) __attribute__((format(printf, 2, 3)));
/* One comparison: the case fails when error > tolerance (or is NaN). The words name the thing. */
void check_measure(struct check *, double error, double tolerance, const char *what, ...)
    __attribute__((format(printf, 4, 5)));
/* The line's text where an error and a tolerance say nothing ("refused: ..."); good false: the case fails. */
void check_say(struct check *, bool good, const char *text, ...) __attribute__((format(printf, 3, 4)));

/* Files named relative to the case's folder. */
status check_json(struct check *, const char *file, json_t **root);
status check_tensors(struct check *, const char *file, const struct checkpoint **);
const char *check_path(struct check *, const char *file); /* NULL: out of memory */

/* The first file of case.json's `inputs` whose name matches the pattern, relative to the case's folder; NULL: none. */
const char *check_input(const struct check *, const char *name);

/* A number of object o that must be there; place: for the message. */
status check_number(const json_t *o, const char *key, const char *place, double *v);
/* A tolerance of case.json (suggested_float32_tolerance, tolerance_float32 or tolerance). */
status check_tolerance(const struct check *, const char *key, double *v);

enum distance {
    DISTANCE_ABS,     /* largest difference */
    DISTANCE_LARGEST, /* the same, relative to the largest reference entry */
    DISTANCE_NORM     /* |x - ref| / |ref|, Euclidean */
};
/* Compares n values with the tensor of that name. */
status check_values(struct check *, const struct checkpoint *want, const char *name, const real *got, size_t n,
                    enum distance, double tolerance);

/* Examples of a case as a tokenised set: {"ids": [[...]], "labels": [...]}, or a list of {"input_ids",
 * "token_type_ids", "label"}. Labels may be missing. */
status golden_examples(const json_t *, const char *place, struct arena *, struct tokens *);

/* A folder that holds the file of case.json's `weights` with its SHA-256; skips the case where there is none. */
status find_weights(struct check *, const json_t *weights, const char **found);

/* The place of a schedule's name in SCHEDULE_CHOICES. */
status golden_schedule(const char *name, int *schedule);

/* ---- kinds of cases ---------------------------------------------------------------------------------------------- */

struct trajectory_form {
    enum adamw_form adamw;
    const struct arith *arith;
};

check_fn check_encoder;      /* a tiny encoder: logits, loss, hidden states, all gradients, relative index */
check_fn check_pretrained;   /* an encoder whose weights lie elsewhere */
check_fn check_language;     /* a tiny language model: logits, loss, hidden states, all gradients */
check_fn check_story;        /* a language model in llama2.c's file, which lies elsewhere; greedy text */
check_fn check_questions;    /* logits of letters that answer questions, of a model that lies elsewhere */
check_fn check_container;    /* ctx: const char *, a weight file or folder below formats/ */
check_fn check_broken;       /* ctx: const char *, a file or folder below bad/ */
check_fn check_trajectory;   /* ctx: struct trajectory_form * */
check_fn check_adapter;      /* an adapter folder of the peft library */
check_fn check_nf4_matrices; /* NormalFloat: tables, codes, scales and values of matrices */
check_fn check_nf4_base;     /* the same of a model's linear layers, through the store */
check_fn check_lq;           /* decompositions of LQ-LoRA and its integer programs */
check_fn check_metrics;
check_fn check_schedules;
check_fn check_accounting;    /* parameters and bit operations of a shape */
check_fn check_bayesian_bits; /* quantiser, gates, penalties of B-LoRA */
check_fn check_fixed_point;   /* mantissas, scales and a linear layer in integers */
check_fn check_tokenizer;     /* ctx: const char *, the .ids file */

#endif
