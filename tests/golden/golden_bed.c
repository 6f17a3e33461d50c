#include "tests/golden/golden_bed.h"

#include "bench/batch.h"
#include "core/arith.h"

status bed_open(struct bed *b, const char *path, enum head_kind head)
{
    *b = (struct bed){.arena = arena_new("model"), .tape = arena_new("activations"), .scratch = arena_new("scratch")};
    if (!b->arena || !b->tape || !b->scratch) return ST_MEMORY;
    TRY(registry_init(&b->reg, b->arena));
    struct model_spec spec = {.path = path,
                              .head = head,
                              .rng = &b->rng,
                              .cls_dropout = -1,
                              .hidden_dropout = -1,
                              .attn_dropout = -1,
                              .train_pooler = -1};
    b->pass =
        (struct pass){.batch = &b->batch, .rng = &b->rng, .arith = &arith_f32, .tape = b->tape, .scratch = b->scratch};
    return model_open(&spec, b->arena, &b->reg, &b->model);
}

void bed_close(struct bed *b)
{
    if (b->model) model_close(b->model);
    arena_free(b->arena);
    arena_free(b->tape);
    arena_free(b->scratch);
    *b = (struct bed){0};
}

status bed_batch(struct bed *b, const struct tokens *t)
{
    int *index;
    NEW(index, b->arena, t->n);
    for (int i = 0; i < t->n; i++) index[i] = i;
    return batch_make(t, index, t->n, 0, t->n, b->model->num_labels == 1, b->arena, &b->batch);
}

status bed_forward(struct bed *b, struct mat *logits, struct mat *hidden)
{
    arena_reset(b->tape, (struct arena_mark){0});
    return model_forward(b->model, &b->pass, logits, hidden);
}

status bed_step(struct bed *b, struct mat *logits, struct mat *hidden, double *loss)
{
    struct mat d;
    b->pass.keep = true;
    TRY(bed_forward(b, logits, hidden));
    param_zero_grads(&b->reg);
    d = mat_of(arena_alloc(b->tape, sizeof(real) * (size_t)logits->rows * (size_t)logits->cols), logits->rows,
               logits->cols);
    if (!d.a) return ST_MEMORY;
    TRY(model_loss(b->model, &b->pass, logits, &d, loss));
    return model_backward(b->model, &b->pass, &d);
}
