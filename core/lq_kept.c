#include "core/lq_kept.h"

#include <stdio.h>
#include <string.h>
#include "core/cache.h"
#include "core/packed_codes.h"

static const char kind_parts[] = "lq", kind_errors[] = "lqerrors";

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static void add_config(struct sha256 *s, const struct lq_config *c)
{
    char name[LQ_NAME];
    lq_name(c, name);
    sha256_add(s, name, strlen(name) + 1);
}

static bool worth_keeping(int out, int in, size_t least)
{
    return (size_t)out * (size_t)in >= least;
}

/* All but the configuration. */
static void key_begin(struct sha256 *s, const real *w, int out, int in, const struct lq_form *f)
{
    char text[128];
    size_t bytes = sizeof *w * (size_t)out * (size_t)in;
    snprintf(text, sizeof text, "lq %d reals of %d bytes, %d x %d, rank %d, iterations %d, result %d, weights %d\n",
             LQ_VERSION, (int)sizeof(real), out, in, f->rank, f->iterations, (int)f->result, f->weights != NULL);
    sha256_begin(s);
    sha256_add(s, text, strlen(text));
    sha256_add(s, w, bytes);
    if (f->weights) sha256_add(s, f->weights, bytes);
}

/* ---- one decomposition ------------------------------------------------------------------------------------------- */

struct kept_head {
    double error;
    int32_t iterations;
    float least;
};

enum { KEPT_PARTS = 7 };

/* Where everything lies; the numbers of bytes follow from the shape, the form and the iterations made. */
static void list_parts(const struct lq_parts *p, int out, int in, const struct kept_head *head,
                       struct file_part part[KEPT_PARTS])
{
    const struct lq *q = &p->q;
    part[0] = (struct file_part){head, sizeof *head};
    part[1] = (struct file_part){p->errors, sizeof *p->errors * (size_t)head->iterations};
    part[2] = (struct file_part){p->l1, sizeof *p->l1 * (size_t)out * (size_t)p->rank};
    part[3] = (struct file_part){p->l2, sizeof *p->l2 * (size_t)in * (size_t)p->rank};
    part[4] = (struct file_part){q->code, codes_bytes(q->size, q->config.bits)};
    part[5] = (struct file_part){q->scale_code, codes_bytes(q->blocks, q->config.scale_bits)};
    part[6] = (struct file_part){q->top, lq_top_bytes(q)};
}

/* Empty parts of the sizes that lq_decompose() gives. */
static status make_room(int out, int in, const struct lq_form *f, int iterations, struct arena *keep,
                        struct lq_parts *p)
{
    int smaller = out < in ? out : in;
    *p = (struct lq_parts){.rank = f->rank < smaller ? f->rank : smaller, .iterations = iterations};
    TRY(lq_new((size_t)out * (size_t)in, &f->config, keep, &p->q));
    NEW(p->errors, keep, iterations);
    NEW(p->l1, keep, (size_t)out * (size_t)p->rank);
    NEW(p->l2, keep, (size_t)in * (size_t)p->rank);
    return ST_OK;
}

/* The checksum was right, but what it covers may still be of another length. *good: it was taken. */
static status unpack(const unsigned char *bytes, size_t size, int out, int in, const struct lq_form *f,
                     struct arena *keep, struct lq_parts *p, bool *good)
{
    struct kept_head head;
    struct file_part part[KEPT_PARTS];
    size_t sum = 0;
    *good = false;
    if (size < sizeof head) return ST_OK;
    memcpy(&head, bytes, sizeof head);
    if (head.iterations < 1 || head.iterations > f->iterations) return ST_OK;
    TRY(make_room(out, in, f, head.iterations, keep, p));
    list_parts(p, out, in, &head, part);
    for (int i = 0; i < KEPT_PARTS; i++) sum += part[i].size;
    if (sum != size) return ST_OK;
    bytes += part[0].size;
    for (int i = 1; i < KEPT_PARTS; i++) {
        memcpy((void *)part[i].bytes, bytes, part[i].size); /* our own memory, made above */
        bytes += part[i].size;
    }
    p->error = head.error;
    p->q.least = head.least;
    *good = true;
    return ST_OK;
}

static status find_parts(const char *key, int out, int in, const struct lq_form *f, struct arena *keep,
                         struct lq_parts *p, bool *found)
{
    const void *bytes;
    size_t size;
    *found = false;
    struct arena *temporary = arena_new("a kept decomposition");
    if (!temporary) return ST_MEMORY;
    status st = cache_get(kind_parts, key, temporary, &bytes, &size);
    if (st == ST_OK && bytes) st = unpack(bytes, size, out, in, f, keep, p, found);
    arena_free(temporary);
    return st;
}

status lq_decompose_kept(const real *w, int out, int in, const struct lq_form *f, size_t least, struct arena *keep,
                         struct lq_parts *p)
{
    struct sha256 s;
    char key[SHA256_HEX];
    struct file_part part[KEPT_PARTS];
    bool found;
    if (!worth_keeping(out, in, least)) return lq_decompose(w, out, in, f, keep, p);
    key_begin(&s, w, out, in, f);
    add_config(&s, &f->config);
    sha256_end(&s, key);
    TRY(find_parts(key, out, in, f, keep, p, &found));
    if (found) return ST_OK;
    TRY(lq_decompose(w, out, in, f, keep, p));
    struct kept_head head = {.error = p->error, .iterations = p->iterations, .least = p->q.least};
    list_parts(p, out, in, &head, part);
    cache_put(kind_parts, key, part, KEPT_PARTS);
    return ST_OK;
}

/* ---- errors of many ---------------------------------------------------------------------------------------------- */

static status make_errors(const real *w, int out, int in, const struct lq_form *f, const struct lq_config *config,
                          int count, struct arena *temporary, double *error)
{
    struct arena_mark mark = arena_mark(temporary);
    for (int j = 0; j < count; j++) {
        struct lq_form form = *f;
        struct lq_parts parts;
        form.config = config[j];
        TRY(lq_decompose(w, out, in, &form, temporary, &parts));
        error[j] = parts.error;
        arena_reset(temporary, mark);
    }
    return ST_OK;
}

static status find_or_make(const char *key, const real *w, int out, int in, const struct lq_form *f,
                           const struct lq_config *config, int count, struct arena *temporary, double *error)
{
    const struct file_part part = {error, sizeof *error * (size_t)count};
    const void *bytes;
    size_t size;
    TRY(cache_get(kind_errors, key, temporary, &bytes, &size));
    if (bytes && size == part.size) {
        memcpy(error, bytes, size);
        return ST_OK;
    }
    TRY(make_errors(w, out, in, f, config, count, temporary, error));
    cache_put(kind_errors, key, &part, 1);
    return ST_OK;
}

status lq_errors_kept(const real *w, int out, int in, const struct lq_form *f, const struct lq_config *config,
                      int count, size_t least, double *error)
{
    struct sha256 s;
    char key[SHA256_HEX];
    key_begin(&s, w, out, in, f);
    for (int j = 0; j < count; j++) add_config(&s, &config[j]);
    sha256_end(&s, key);
    struct arena *temporary = arena_new("errors of decompositions");
    if (!temporary) return ST_MEMORY;
    status st = worth_keeping(out, in, least) ? find_or_make(key, w, out, in, f, config, count, temporary, error)
                                              : make_errors(w, out, in, f, config, count, temporary, error);
    arena_free(temporary);
    return st;
}
