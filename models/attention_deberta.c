/* Relative positions of DeBERTa-v2/v3: buckets, the rows a batch uses, and both relative terms of the scores. See
 * relative.h for the layout; METHODS 1.2 steps 3 to 5 and 1.3 for the mathematics.
 *
 * A term is computed in bands: BLOCK queries (or keys) against the table rows that these can meet, which is about half
 * of all. c2p[i, u] then goes to scores[i, j], u = u(i - j): along j this is a contiguous run. p2c[j, u] goes to the
 * same place: along j this is a diagonal of the band. */
#include "models/relative.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { BLOCK = 64 };

int relative_span(const struct relative_law *law)
{
    return law->buckets > 0 ? law->buckets : law->max_relative;
}

/* METHODS 1.2 step 3: distances up to half of the buckets are their own bucket, longer ones logarithmic. */
static int log_bucket(int delta, int buckets, int max_position)
{
    int mid = buckets / 2, distance = delta < 0 ? -delta : delta;
    if (distance <= mid) return delta;
    double share = log((double)distance / mid) / log((double)(max_position - 1) / mid);
    int bucket = (int)ceil(share * (mid - 1)) + mid;
    return delta < 0 ? -bucket : bucket;
}

int relative_index(const struct relative_law *law, int delta)
{
    int span = relative_span(law);
    int row = span + (law->buckets > 0 ? log_bucket(delta, law->buckets, law->max_relative) : delta);
    return row < 0 ? 0 : row > 2 * span - 1 ? 2 * span - 1 : row;
}

status relative_rows_new(const struct relative_law *law, int longest, bool whole, struct arena *arena,
                         struct relative_rows **out)
{
    struct relative_rows *r;
    int *u, reach = longest - 1, span = relative_span(law);
    int top = whole ? 2 * span - 1 : relative_index(law, reach), bottom = whole ? 0 : relative_index(law, -reach);
    int32_t *id;
    uint32_t *row_key;
    ZNEW(r, arena, 1);
    NEW(u, arena, 2 * reach + 1);
    u += reach;
    r->rows = top - bottom + 1;
    NEW(id, arena, r->rows);
    NEW(row_key, arena, r->rows);
    for (int i = 0; i < r->rows; i++) {
        id[i] = top - i;
        row_key[i] = (uint32_t)id[i];
    }
    for (int d = -reach; d <= reach; d++) u[d] = top - relative_index(law, d);
    while (r->near < reach && u[r->near + 1] == u[0] - r->near - 1 && u[-r->near - 1] == u[0] + r->near + 1) r->near++;
    r->u = u;
    r->id = id;
    r->row_key = row_key;
    *out = r;
    return ST_OK;
}

size_t relative_band(const struct relative_rows *r)
{
    return (size_t)BLOCK * (size_t)r->rows;
}

/* ---- bands ---- */

/* Rows first .. first+n-1 of one side against the table rows lo .. lo+width-1. */
struct band {
    int first, n, lo, width;
};

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

/* Queries i meet distances i - (keys-1) .. i. */
static struct band query_band(const struct relative_part *p, int first)
{
    int n = smaller(BLOCK, p->queries - first);
    int lo = p->rel->u[first + n - 1], hi = p->rel->u[first - (p->keys - 1)];
    return (struct band){first, n, lo, hi - lo + 1};
}

/* Keys j meet distances -j .. queries-1-j. */
static struct band key_band(const struct relative_part *p, int first)
{
    int n = smaller(BLOCK, p->keys - first);
    int lo = p->rel->u[p->queries - 1 - first], hi = p->rel->u[-(first + n - 1)];
    return (struct band){first, n, lo, hi - lo + 1};
}

/* band = side . table', the products of one band. */
static void band_products(const struct relative_part *p, const struct band *b, const struct mat *side,
                          const struct mat *table)
{
    struct gemm_in rows = {.p = mat_row(side, b->first), .ld = side->ld};
    struct gemm_in cols = {.p = mat_row(table, b->lo), .ld = table->ld, .trans = true};
    p->multiply(b->n, b->width, side->cols, rows, cols, p->band, b->width, false);
}

/* dside += band . table and dtable += band' . side */
static void band_gradients(const struct relative_part *p, const struct band *b, const struct mat *side,
                           const struct mat *table, struct mat *dside, struct mat *dtable)
{
    struct gemm_in g = {.p = p->band, .ld = b->width}, turned = {.p = p->band, .ld = b->width, .trans = true};
    struct gemm_in t = {.p = mat_row(table, b->lo), .ld = table->ld},
                   x = {.p = mat_row(side, b->first), .ld = side->ld};
    if (dside->a) p->multiply(b->n, side->cols, b->width, g, t, mat_row(dside, b->first), dside->ld, true);
    if (dtable->a) p->multiply(b->width, side->cols, b->n, turned, x, mat_row(dtable, b->lo), dtable->ld, true);
}

/* The keys of one query: first .. near_lo-1 and near_hi .. end-1 go through the index, those between are one run. */
struct run {
    int near_lo, near_hi;
};

static struct run run_of(const struct relative_part *p, int query, int first, int end)
{
    int lo = smaller(end, larger(first, query - p->rel->near));
    int hi = larger(lo, smaller(end, query + p->rel->near + 1));
    return (struct run){lo, hi};
}

/* ---- content to position: query i against K_r ---- */

static void c2p_add(const struct relative_part *p, const struct band *b, struct mat *scores)
{
    for (int i = b->first; i < b->first + b->n; i++) {
        const real *from = p->band + (size_t)(i - b->first) * (size_t)b->width;
        const int *u = p->rel->u + i, lo = b->lo, run = p->rel->u[0] - i - lo;
        real *to = mat_row(scores, i);
        struct run r = run_of(p, i, 0, p->keys);
        for (int j = 0; j < r.near_lo; j++) to[j] += from[u[-j] - lo];
        for (int j = r.near_lo; j < r.near_hi; j++) to[j] += from[run + j];
        for (int j = r.near_hi; j < p->keys; j++) to[j] += from[u[-j] - lo];
    }
}

static void c2p_collect(const struct relative_part *p, const struct band *b, const struct mat *g)
{
    memset(p->band, 0, sizeof(real) * (size_t)b->n * (size_t)b->width);
    for (int i = b->first; i < b->first + b->n; i++) {
        real *to = p->band + (size_t)(i - b->first) * (size_t)b->width;
        const int *u = p->rel->u + i, lo = b->lo, run = p->rel->u[0] - i - lo;
        const real *from = mat_row(g, i);
        struct run r = run_of(p, i, 0, p->keys);
        for (int j = 0; j < r.near_lo; j++) to[u[-j] - lo] += from[j];
        for (int j = r.near_lo; j < r.near_hi; j++) to[run + j] += from[j];
        for (int j = r.near_hi; j < p->keys; j++) to[u[-j] - lo] += from[j];
    }
}

/* ---- position to content: key j against Q_r ---- */

static void p2c_add(const struct relative_part *p, const struct band *b, struct mat *scores)
{
    const real *from = p->band;
    for (int i = 0; i < p->queries; i++) {
        const int *u = p->rel->u + i, lo = b->lo, w = b->width, first = b->first;
        int diagonal = p->rel->u[0] - i - lo; /* of key j: (j - first) * w + diagonal + j */
        real *to = mat_row(scores, i);
        struct run r = run_of(p, i, first, first + b->n);
        for (int j = first; j < r.near_lo; j++) to[j] += from[(j - first) * w + u[-j] - lo];
        for (int j = r.near_lo; j < r.near_hi; j++) to[j] += from[(j - first) * w + diagonal + j];
        for (int j = r.near_hi; j < first + b->n; j++) to[j] += from[(j - first) * w + u[-j] - lo];
    }
}

static void p2c_collect(const struct relative_part *p, const struct band *b, const struct mat *g)
{
    real *to = p->band;
    memset(to, 0, sizeof(real) * (size_t)b->n * (size_t)b->width);
    for (int i = 0; i < p->queries; i++) {
        const int *u = p->rel->u + i, lo = b->lo, w = b->width, first = b->first;
        int diagonal = p->rel->u[0] - i - lo;
        const real *from = mat_row(g, i);
        struct run r = run_of(p, i, first, first + b->n);
        for (int j = first; j < r.near_lo; j++) to[(j - first) * w + u[-j] - lo] += from[j];
        for (int j = r.near_lo; j < r.near_hi; j++) to[(j - first) * w + diagonal + j] += from[j];
        for (int j = r.near_hi; j < first + b->n; j++) to[(j - first) * w + u[-j] - lo] += from[j];
    }
}

/* ---- both ---- */

void relative_scores(const struct relative_part *p, struct mat *scores)
{
    for (int i = 0; p->rel_k.a && i < p->queries; i += BLOCK) {
        struct band b = query_band(p, i);
        band_products(p, &b, &p->q, &p->rel_k);
        c2p_add(p, &b, scores);
    }
    for (int j = 0; p->rel_q.a && j < p->keys; j += BLOCK) {
        struct band b = key_band(p, j);
        band_products(p, &b, &p->k, &p->rel_q);
        p2c_add(p, &b, scores);
    }
}

void relative_scores_backward(const struct relative_part *p, const struct mat *g, struct mat *dq, struct mat *dk,
                              struct mat *drel_k, struct mat *drel_q)
{
    for (int i = 0; p->rel_k.a && (dq->a || drel_k->a) && i < p->queries; i += BLOCK) {
        struct band b = query_band(p, i);
        c2p_collect(p, &b, g);
        band_gradients(p, &b, &p->q, &p->rel_k, dq, drel_k);
    }
    for (int j = 0; p->rel_q.a && (dk->a || drel_q->a) && j < p->keys; j += BLOCK) {
        struct band b = key_band(p, j);
        p2c_collect(p, &b, g);
        band_gradients(p, &b, &p->k, &p->rel_q, dk, drel_q);
    }
}
