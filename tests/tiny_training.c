#include "tests/pgtest.h"

#include "tests/tiny_training.h"

struct tiny_training *tiny_training_open(void)
{
    static struct tiny_training t;
    tiny_cell_make(&t.cell, "lora", "mini_cola");
    const struct cell *c = &t.cell.cell;
    ck_ok(cell_data_load(c, NULL, t.cell.arena, &t.data));
    t.training = (struct training){.options = &c->train,
                                   .data = &t.data,
                                   .session = &t.session,
                                   .arena = t.cell.arena,
                                   .batches = arena_new("a batch")};
    ck_ok(plan_make(&c->train, t.data.train.tokens.n, &t.training.plan));
    ck_ok(cell_session_open(c, t.training.plan.steps, &t.session));
    ck_ok(training_init(&t.training, c->task));
    return &t;
}
