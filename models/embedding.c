/* Word, position and type embeddings. See embedding.h. */
#include "models/embedding.h"

#include <stdio.h>
#include "core/ops.h"
#include "core/text.h"

static status table(struct loader *l, const char *prefix, const char *name, int rows, struct param **p, uint32_t *who)
{
    char full[128];
    snprintf(full, sizeof full, "%sembeddings.%s_embeddings.weight", prefix, name);
    *who = text_hash32(full);
    return load_rows(l, full, rows, 0, p);
}

status embedding_build(struct loader *l, const char *prefix, struct embedding *e)
{
    const struct model_config *c = &l->model->config;
    char name[128];
    *e = (struct embedding){.skip_id = -1};
    TRY(table(l, prefix, "word", c->vocab, &e->word, &e->who_word));
    if (c->position_biased_input) TRY(table(l, prefix, "position", c->max_positions, &e->position, &e->who_position));
    if (c->type_vocab > 0) TRY(table(l, prefix, "token_type", c->type_vocab, &e->type, &e->who_type));
    if (c->family == FAMILY_ROBERTA) {
        e->first_position = c->pad_id + 1;
        e->skip_id = c->pad_id;
    }
    snprintf(name, sizeof name, "%sembeddings.LayerNorm", prefix);
    TRY(load_norm(l, name, c->hidden, c->norm_eps, 0, &e->norm));
    snprintf(name, sizeof name, "%sembeddings.dropout", prefix);
    e->drop = (struct drop){c->hidden_dropout, text_hash32(name)};
    return ST_OK;
}

bool embedding_trained(const struct embedding *e)
{
    return param_trained(e->word) || (e->position && param_trained(e->position)) ||
           (e->type && param_trained(e->type)) || norm_trained(&e->norm);
}

status embedding_check(const struct embedding *e, const struct batch *b)
{
    int room = e->position ? e->position->rows - e->first_position : 1 << 16;
    FAIL_IF(b->n < 1, ST_INTERNAL, "an empty batch");
    for (int s = 0; s < b->n; s++) {
        int n = b->offset[s + 1] - b->offset[s];
        FAIL_IF(n < 1, ST_INPUT, "sequence %d of the batch is empty", s);
        FAIL_IF(n > room, ST_INPUT, "sequence %d of the batch has %d tokens, the model has %d positions", s, n, room);
    }
    for (int t = 0; t < b->tokens; t++) {
        FAIL_IF(b->ids[t] < 0 || b->ids[t] >= e->word->rows, ST_INPUT,
                "token id %d, but the model's vocabulary has %d rows", (int)b->ids[t], e->word->rows);
        FAIL_IF(e->type && b->types && (b->types[t] < 0 || b->types[t] >= e->type->rows), ST_INPUT,
                "token type %d, but the model has %d", (int)b->types[t], e->type->rows);
    }
    return ST_OK;
}

/* Rows of the position table: counted within each sequence; a padding id takes RoBERTa's padding position and no count.
 */
static status positions(const struct embedding *e, const struct batch *b, struct arena *arena, int32_t **out)
{
    NEW(*out, arena, b->tokens);
    for (int s = 0; s < b->n; s++) {
        int32_t next = e->first_position;
        for (int t = b->offset[s]; t < b->offset[s + 1]; t++) (*out)[t] = b->ids[t] == e->skip_id ? e->skip_id : next++;
    }
    return ST_OK;
}

static status types(const struct batch *b, struct arena *arena, const int32_t **out)
{
    int32_t *zero;
    *out = b->types;
    if (*out) return ST_OK;
    ZNEW(zero, arena, b->tokens);
    *out = zero;
    return ST_OK;
}

static status add_rows(struct pass *pass, const struct param *table, uint32_t who, const int32_t *id, struct mat *sum)
{
    struct arena_mark mark = arena_mark(pass->scratch);
    struct arith_call call = pass_call(pass, who);
    struct wsrc src = param_source(table);
    struct mat rows;
    TRY(mat_new(pass->scratch, sum->rows, sum->cols, &rows));
    TRY(pass->arith->embed(&call, &src, id, &rows));
    op_add(&rows, sum);
    arena_reset(pass->scratch, mark);
    return ST_OK;
}

static status sum_rows(const struct embedding *e, struct pass *pass, struct mat *sum)
{
    const struct batch *b = pass->batch;
    struct arith_call call = pass_call(pass, e->who_word);
    struct wsrc word = param_source(e->word);
    int32_t *position;
    const int32_t *type;
    TRY(pass->arith->embed(&call, &word, b->ids, sum));
    if (e->position) {
        TRY(positions(e, b, pass->scratch, &position));
        TRY(add_rows(pass, e->position, e->who_position, position, sum));
    }
    if (e->type) {
        TRY(types(b, pass->scratch, &type));
        TRY(add_rows(pass, e->type, e->who_type, type, sum));
    }
    return ST_OK;
}

status embedding_forward(const struct embedding *e, struct pass *pass, struct embedding_saved *saved, struct mat *out)
{
    struct arena_mark mark = arena_mark(pass->scratch);
    struct mat sum = *out;
    real *stats = NULL;
    if (saved) {
        TRY(mat_new(pass->tape, out->rows, out->cols, &sum));
        NEW(stats, pass->tape, 2 * (size_t)out->rows);
        *saved = (struct embedding_saved){sum, stats};
    }
    TRY(sum_rows(e, pass, &sum));
    TRY(norm_forward(&e->norm, pass, &sum, out, stats));
    drop_apply(&e->drop, pass, pass->batch->row_key, out);
    arena_reset(pass->scratch, mark);
    return ST_OK;
}

status embedding_backward(const struct embedding *e, struct pass *pass, const struct embedding_saved *saved,
                          struct mat *dout)
{
    struct arena_mark mark = arena_mark(pass->scratch);
    const struct batch *b = pass->batch;
    int32_t *position;
    const int32_t *type;
    drop_apply(&e->drop, pass, b->row_key, dout);
    TRY(norm_backward(&e->norm, pass, &saved->sum, saved->stats, dout, dout));
    if (param_trained(e->word)) TRY(table_rows_backward(e->word, pass, e->who_word, b->ids, dout));
    if (e->position && param_trained(e->position)) {
        TRY(positions(e, b, pass->scratch, &position));
        TRY(table_rows_backward(e->position, pass, e->who_position, position, dout));
    }
    if (e->type && param_trained(e->type)) {
        TRY(types(b, pass->scratch, &type));
        TRY(table_rows_backward(e->type, pass, e->who_type, type, dout));
    }
    arena_reset(pass->scratch, mark);
    return ST_OK;
}
