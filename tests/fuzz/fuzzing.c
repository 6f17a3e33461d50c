/* What harnesses share; see fuzzing.h. */
#include "tests/pgtest.h"

#include "tests/fuzz/fuzzing.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include "core/file.h"
#include "core/parallel.h"
#include "models/checkpoint.h"

/* No harness takes inputs above a megabyte, and no reader needs more than a few hundred bytes for one of input. */
static const size_t most_memory = (size_t)256 << 20;

static const struct fuzz *running;

/* ---- one input --------------------------------------------------------------------------------------------------- */

static void finding(const char *what)
{
    fprintf(stderr, "FINDING in %s: %s; message: %s\n", running ? running->name : "no harness", what, status_message());
    abort();
}

void fuzz_expect(bool holds, const char *promise)
{
    if (!holds) finding(promise);
}

void fuzz_touch(const void *p, size_t n)
{
    const unsigned char *byte = p;
    unsigned char sum = 0;
    for (size_t i = 0; i < n; i++) sum ^= byte[i];
    __asm__ volatile("" : : "r"(sum)); /* so that the loop is not left out */
}

const struct fuzz *fuzz_find(const char *name)
{
    for (int i = 0; fuzz_table[i]; i++)
        if (strcmp(fuzz_table[i]->name, name) == 0) return fuzz_table[i];
    return NULL;
}

static void check_message(status st)
{
    const char *m = status_message();
    fuzz_expect(st == ST_USAGE || st == ST_INPUT || st == ST_UNSUPPORTED, "a status that no input should cause");
    fuzz_expect(*m != 0, "a failure without a message");
    for (const char *p = m; *p; p++)
        fuzz_expect((unsigned char)*p >= 0x20 && *p != 0x7F, "control characters in a message");
    fuzz_expect(strstr(m, fuzz_folder()) != NULL, "a message that does not name the file");
}

status fuzz_run(const struct fuzz *f, const unsigned char *p, size_t n)
{
    running = f;
    notice_quiet(1);
    fuzz_watch_helpers();
    parallel_set_threads(1);
    fail(ST_OK, "%s", "");
    struct arena *a = arena_new(f->name);
    if (!a) abort();
    status st = f->run(p, n, a);
    if (st != ST_OK) check_message(st);
    fuzz_expect_no_fault_in_helpers(a);
    arena_free(a);
    fuzz_remove();
    fuzz_expect(arena_total_peak() < most_memory, "memory out of proportion");
    running = NULL;
    return st;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

enum { MOST_FILES = 32 };
static char *made[MOST_FILES]; /* by the input at hand */
static int files_made;

void fuzz_remove(void)
{
    while (files_made > 0) {
        unlink(made[--files_made]);
        free(made[files_made]);
    }
}

const char *fuzz_folder(void)
{
    static char folder[4200];
    if (!*folder) snprintf(folder, sizeof folder, "%s", temp_dir());
    return folder;
}

static void note_file(const char *path)
{
    for (int i = 0; i < files_made; i++)
        if (strcmp(made[i], path) == 0) return;
    if (files_made == MOST_FILES || !(made[files_made++] = strdup(path))) abort();
}

/* The folders above path, which outlive the input. */
static void make_folders(char *path)
{
    for (char *slash = strchr(path + strlen(fuzz_folder()) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0777);
        *slash = '/';
    }
}

const char *fuzz_file(const char *name, const unsigned char *p, size_t n, struct arena *a)
{
    char *path = path_join(a, fuzz_folder(), name);
    if (!path) abort();
    make_folders(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, p, n) != (ssize_t)n || close(fd) != 0) abort();
    note_file(path);
    return path;
}

/* ---- several files ----------------------------------------------------------------------------------------------- */

struct part {
    const unsigned char *name, *p;
    size_t name_n, n;
};

static bool begins_part(const unsigned char *p, const unsigned char *end)
{
    return end - p > 5 && memcmp(p, "==== ", 5) == 0;
}

/* The part that begins at *at, which moves behind it; false: there is none. */
static bool next_part(const unsigned char **at, const unsigned char *end, struct part *part)
{
    const unsigned char *p = *at;
    if (!begins_part(p, end)) return false;
    part->name = p + 5;
    const unsigned char *line = memchr(p, '\n', (size_t)(end - p));
    part->name_n = (size_t)((line ? line : end) - part->name);
    part->p = line ? line + 1 : end;
    const unsigned char *stop = part->p;
    while (stop < end && !((stop == part->p || stop[-1] == '\n') && begins_part(stop, end))) stop++;
    *at = stop;
    part->n = (size_t)(stop - part->p);
    if (stop < end && part->n > 0) part->n--; /* the line end before the next part */
    return true;
}

static bool is_called(const struct part *part, const char *name)
{
    return part->name_n == strlen(name) && memcmp(part->name, name, part->name_n) == 0;
}

void fuzz_parts(const unsigned char *p, size_t n, const char *const *names, struct arena *a)
{
    struct part part;
    for (const unsigned char *at = p; next_part(&at, p + n, &part);)
        for (int i = 0; names[i]; i++)
            if (is_called(&part, names[i])) fuzz_weights(names[i], part.p, part.n, a);
}

const char *fuzz_part(const unsigned char *p, size_t n, const char *name, struct arena *a, size_t *size)
{
    struct part part, found = {.p = p};
    for (const unsigned char *at = p; next_part(&at, p + n, &part);)
        if (is_called(&part, name)) found = part;
    char *text = arena_alloc(a, found.n + 1);
    if (!text) abort();
    memcpy(text, found.p, found.n);
    text[found.n] = 0;
    *size = found.n;
    return text;
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

const char *fuzz_weights(const char *name, const unsigned char *p, size_t n, struct arena *a)
{
    size_t suffix = strlen(name) > 12 ? strlen(name) - 12 : 0;
    if (n == 0 || *p != '{' || strcmp(name + suffix, ".safetensors") != 0) return fuzz_file(name, p, n, a);
    const unsigned char *line = memchr(p, '\n', n);
    uint64_t header = line ? (uint64_t)(line - p) : n;
    size_t data = line ? n - (size_t)header - 1 : 0;
    unsigned char *whole = arena_alloc(a, sizeof header + n);
    if (!whole) abort();
    memcpy(whole, &header, sizeof header);
    memcpy(whole + sizeof header, p, (size_t)header);
    if (data) memcpy(whole + sizeof header + header, line + 1, data);
    return fuzz_file(name, whole, sizeof header + (size_t)header + data, a);
}

/* As a model would take it: a matrix or vector of numbers, row by row. */
static status take_rows(const struct tensor *t, struct arena *a)
{
    struct wsrc w;
    TRY(tensor_source(t, a, &w));
    if (w.rows == 0 || w.cols == 0) return ST_OK;
    real *row = arena_alloc(a, sizeof *row * (size_t)w.cols);
    if (!row) return ST_MEMORY;
    for (int r = 0; r < w.rows; r++) wsrc_row(&w, r, row);
    fuzz_touch(row, sizeof *row * (size_t)w.cols);
    return ST_OK;
}

static status take_tensor(const struct tensor *t, struct arena *a)
{
    struct arena_mark mark = arena_mark(a);
    size_t n = tensor_size(t);
    double *values = arena_alloc(a, sizeof *values * n);
    if (!values) return ST_MEMORY;
    TRY(tensor_to_f64(t, values, n));
    status st = take_rows(t, a);
    arena_reset(a, mark);
    return st == ST_INPUT ? ST_OK : st; /* whole numbers and cubes are no weights */
}

status fuzz_open_weights(const char *path, struct arena *a)
{
    struct checkpoint c;
    char hex[65];
    TRY(checkpoint_open(path, a, &c));
    status st = checkpoint_hash(&c, hex);
    for (int i = 0; st == ST_OK && i < c.count; i++) {
        st = take_tensor(&c.tensor[i], a);
        fuzz_expect(checkpoint_find(&c, c.tensor[i].name) == &c.tensor[i], "a tensor that cannot be found by its name");
    }
    checkpoint_close(&c);
    return st;
}
