#include "bench/checkpoint_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench/experiment.h"
#include "core/real.h"
#include "core/sha256.h"

static const char magic[] = "peftgrid checkpoint 1\n";

/* ---- the head ---- */

/* Where a number stands behind the first lines, which all have a fixed width. */
enum { LINE = 256, ZEROS = SHA256_HEX - 1 };

static void head_make(const char *id, long step, size_t bytes, const char *hex, char head[CHECKPOINT_HEAD + 1])
{
    memset(head, ' ', CHECKPOINT_HEAD);
    int n = snprintf(head, CHECKPOINT_HEAD,
                     "%sid %.64s\nnumerics %d, reals of %d bytes\nstep %012ld\nbytes %020zu\nsha256 %.64s\n", magic, id,
                     NUMERICS_VERSION, (int)sizeof(real), step, bytes, hex);
    head[n] = ' ';
    head[CHECKPOINT_HEAD - 1] = '\n';
    head[CHECKPOINT_HEAD] = 0;
}

static void head_without_sum(const char *id, long step, size_t bytes, char head[CHECKPOINT_HEAD + 1])
{
    char zeros[ZEROS + 1];
    memset(zeros, '0', ZEROS);
    zeros[ZEROS] = 0;
    head_make(id, step, bytes, zeros, head);
}

/* ---- writing ---- */

/* A line and the bytes of each block, behind part[0]. */
static status list_parts(const struct checkpoint_block *block, int blocks, struct arena *scratch,
                         struct file_part *part, size_t *bytes)
{
    for (int i = 0; i < blocks; i++) {
        char *line = arena_printf(scratch, "%s %zu\n", block[i].name, block[i].size);
        if (!line) return ST_MEMORY;
        part[1 + 2 * i] = (struct file_part){line, strlen(line)};
        part[2 + 2 * i] = (struct file_part){block[i].data, block[i].size};
        *bytes += strlen(line) + block[i].size;
    }
    return ST_OK;
}

status checkpoint_file_write(const char *path, const char *id, long step, const struct checkpoint_block *block,
                             int blocks, struct arena *scratch)
{
    char head[CHECKPOINT_HEAD + 1], hex[SHA256_HEX];
    struct file_part *part;
    struct sha256 sum;
    size_t bytes = CHECKPOINT_HEAD;
    int parts = 1 + 2 * blocks;
    NEW(part, scratch, parts);
    TRY(list_parts(block, blocks, scratch, part, &bytes));
    head_without_sum(id, step, bytes, head);
    part[0] = (struct file_part){head, CHECKPOINT_HEAD};
    sha256_begin(&sum);
    for (int i = 0; i < parts; i++) sha256_add(&sum, part[i].bytes, part[i].size);
    sha256_end(&sum, hex);
    head_make(id, step, bytes, hex, head);
    return file_write_parts(path, part, parts);
}

/* ---- reading ---- */

/* What the head should be, but for step and sum, is known: so it is made anew and compared. */
static status check_head(const struct file_map *m, const char *id, long *step, char zeroed[CHECKPOINT_HEAD + 1],
                         char hex[SHA256_HEX])
{
    char head[CHECKPOINT_HEAD + 1], again[CHECKPOINT_HEAD + 1];
    char line[LINE];
    FAIL_IF(m->size < CHECKPOINT_HEAD || memcmp(m->data, magic, sizeof magic - 1) != 0, ST_INPUT,
            "%s: it is no whole checkpoint of this version of peftgrid", m->path);
    memcpy(head, m->data, CHECKPOINT_HEAD);
    head[CHECKPOINT_HEAD] = 0;
    int n = snprintf(line, sizeof line, "%sid %.64s\n", magic, id);
    FAIL_IF(strncmp(head, line, (size_t)n) != 0, ST_INPUT, "%s: it is the checkpoint of another run", m->path);
    const char *at = strstr(head, "\nstep "), *sum = strstr(head, "\nsha256 ");
    *step = at ? strtol(at + 6, NULL, 10) : 0;
    snprintf(hex, SHA256_HEX, "%.64s", sum ? sum + 8 : "");
    head_make(id, *step, m->size, hex, again);
    FAIL_IF(strlen(hex) != SHA256_HEX - 1 || memcmp(head, again, CHECKPOINT_HEAD) != 0, ST_INPUT,
            "%s: its head is not that of a checkpoint of %zu bytes of this version of peftgrid", m->path, m->size);
    head_without_sum(id, *step, m->size, zeroed);
    return ST_OK;
}

static status verify(struct checkpoint_file *f, const char *id)
{
    char zeroed[CHECKPOINT_HEAD + 1], want[SHA256_HEX], have[SHA256_HEX];
    struct sha256 sum;
    TRY(check_head(&f->map, id, &f->step, zeroed, want));
    sha256_begin(&sum);
    sha256_add(&sum, zeroed, CHECKPOINT_HEAD);
    sha256_add(&sum, f->map.data + CHECKPOINT_HEAD, f->map.size - CHECKPOINT_HEAD);
    sha256_end(&sum, have);
    FAIL_IF(strcmp(want, have) != 0, ST_INPUT, "%s: damaged: its checksum is not that of its content", f->map.path);
    f->at = CHECKPOINT_HEAD;
    return ST_OK;
}

status checkpoint_file_open(const char *path, const char *id, struct checkpoint_file *f)
{
    *f = (struct checkpoint_file){0};
    TRY(file_map(path, &f->map));
    status st = verify(f, id);
    if (st != ST_OK) checkpoint_file_close(f);
    return st;
}

/* The bytes of the block at `at`, which is moved behind them; NULL: another block is there. */
static const unsigned char *find(const struct checkpoint_file *f, const struct checkpoint_block *block, size_t *at)
{
    char size[32];
    int digits = snprintf(size, sizeof size, " %zu\n", block->size);
    size_t name = strlen(block->name), line = name + (size_t)digits, left = f->map.size - *at;
    const unsigned char *p = f->map.data + *at;
    if (left < line || left - line < block->size) return NULL;
    if (memcmp(p, block->name, name) != 0 || memcmp(p + name, size, (size_t)digits) != 0) return NULL;
    *at += line + block->size;
    return p + line;
}

status checkpoint_file_read(struct checkpoint_file *f, const struct checkpoint_block *block, int blocks, bool last)
{
    size_t at = f->at;
    for (int i = 0; i < blocks; i++)
        FAIL_IF(!find(f, &block[i], &at), ST_INPUT, "%s: it does not hold '%s' of this run", f->map.path,
                block[i].name);
    FAIL_IF(last && at != f->map.size, ST_INPUT, "%s: it holds more than the state of this run", f->map.path);
    for (int i = 0; i < blocks; i++) {
        const unsigned char *bytes = find(f, &block[i], &f->at);
        if (bytes && block[i].size) memcpy(block[i].data, bytes, block[i].size);
    }
    return ST_OK;
}

void checkpoint_file_close(struct checkpoint_file *f)
{
    file_unmap(&f->map);
    *f = (struct checkpoint_file){0};
}
