/* The training of a small cell (tiny_cell.h), ready for its first step, without a runs folder around it. */
#ifndef PG_TESTS_TINY_TRAINING_H
#define PG_TESTS_TINY_TRAINING_H

#include "bench/train_loop.h"
#include "tests/tiny_cell.h"

#define TINY_TRAINING_ID "5be25be25be25be25be25be25be25be25be25be25be25be25be25be25be25be2"

struct tiny_training {
    struct tiny_cell cell;
    struct cell_data data;
    struct session session;
    struct training training;
};
struct tiny_training *tiny_training_open(void); /* lora on mini_cola; lives as long as the process */

#endif
