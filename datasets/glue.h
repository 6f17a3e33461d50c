/* The GLUE benchmark's tasks (METHODS 5). */
#ifndef PG_DATASETS_GLUE_H
#define PG_DATASETS_GLUE_H

#include "datasets/dataset.h"

extern const struct task glue_cola, glue_sst2, glue_mrpc, glue_stsb, glue_qqp, glue_mnli, glue_qnli, glue_rte,
    glue_wnli, glue_ax;

#endif
