/* Bit operations and shapes in records. */
#ifndef PG_BENCH_BOPS_RECORD_H
#define PG_BENCH_BOPS_RECORD_H

#include "bench/accounting.h"

/* bops/: every variant in three settings, and what it would be on DeBERTaV3-base; shape/. */
status bops_record(const struct session *, int max_len, double mean_len, struct record *);

/* What is asked of a count: it, and how it stands to the three networks it is compared with. */
struct bops_ratios {
    struct bops absolute;
    struct bops plain;       /* over the network alone at 32 bits */
    struct bops lora;        /* over LoRA of rank 16 on query, key and value */
    struct bops unquantised; /* over the same adapters at full rank and 32 bits */
};
struct bops_ratios bops_compare(const struct model *, const struct bops_form *, double length, double table_rows);

/* A model that is only a shape: no weights. reg is filled. Closed with model_close. */
status shape_open(const char *name, const struct model_config *, struct arena *, struct registry *, struct model **);

/* shape/: what a model must be like for its products to be counted anew. */
status shape_record(const struct model_config *, struct record *);
/* *found false: the record does not tell (it was written before records did). */
status shape_of_record(const struct record *, struct model_config *, bool *found);
/* Whether DeBERTaV3-base is a shape to carry the model's forms to. */
bool shape_is_encoder(const struct model_config *);

#endif
