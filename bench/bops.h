/* Bit operations (METHODS 4): every product of a network with its adapters as MACs x bits x bits, for one sequence. A
 * model gives the products, a form tells what a method makes of each site (rank, bits of the operands); the same form
 * can be counted on another model's shape. Counted is the width that multiplies: a weight kept in 4 bits but multiplied
 * as float counts 32. */
#ifndef PG_BENCH_BOPS_H
#define PG_BENCH_BOPS_H

#include "methods/method.h"
#include "models/model.h"

struct bops {
    double encoder, attention; /* all blocks; of it: q, k, v projections with their adapters, scores, context */
};

/* What a method makes of the sites of a model. report gets 32 bits and no adapter, and changes what is otherwise. */
struct bops_form {
    void (*report)(const void *ctx, const struct site *, struct site_report *);
    const void *ctx;
};
extern const struct bops_form bops_plain; /* the network alone, all of it at 32 bits */

/* LoRA of one rank on query, key and value: what published percentages refer to (rank 16; METHODS 4.2). The form points
 * at *rank. */
struct bops_form bops_lora(const int *rank);

/* The method's own network at full rank with every operand at 32 bits. The result points at *form. */
struct bops_form bops_unquantised(const struct bops_form *form);

/* One addend. An adapter's product runs over the rows of the product it stands beside. */
struct bops_part {
    const char *name; /* of the product (model_products), or the site's role for points */
    const char *part; /* "" the network itself, "A", "E", "B" or "adapter" (one that is not low-rank) */
    int layer;
    const struct site *site; /* NULL: a product of two activations */
    bool attention;
    double macs, bits[2]; /* bits of the weight, or of the first activation, and of the other operand */
};
typedef void bops_fn(void *ctx, const struct bops_part *);

/* length: of the sequence in tokens; table_rows: of the relative table, 0 without one. each may be NULL. Products of
 * the head are not part of the encoder and are left out. */
struct bops bops_count(const struct model *, const struct bops_form *, double length, double table_rows, bops_fn *each,
                       void *ctx);

/* Rows of the model's relative table; 0: it has none. */
int model_table_rows(const struct model *);

/* ---- forms on another model ---- */

struct site_form {
    int layer, in, out;
    enum role role;
    enum site_kind kind;
    struct site_report report;
};
struct site_forms {
    struct site_form *form;
    int count;
    int layers, onto; /* layers of the model they come from, and of the one they are counted on */
};
/* The form that gives each site what the site of the same role has at the same relative depth; with an equal number of
 * layers, in the same layer. Ranks and bits stay, sizes follow the layer's. Points at *forms. */
struct bops_form bops_carried(const struct site_forms *forms);

/* The shape of DeBERTaV3-base (METHODS 1.1), to count on where no checkpoint is. */
extern const struct model_config deberta_base_shape;
enum { BOPS_PAPER_LENGTH = 20, BOPS_PAPER_RANK = 16 }; /* the setting that gives the published numbers (METHODS 4.2) */

#endif
