/* HDF5 reads in a process of its own. Damage never gets that far, for the seal is checked first; but bytes that were
 * made to do harm can have a right seal, and over some of them the library crashes, loops or asks for any memory. No
 * check short of a second HDF5 library would tell which. So a helper process of this program opens images, one after
 * the other, and sends the items it finds; when it dies or falls silent over one, a new helper tries, and a file over
 * which two do is refused. (An earlier file may have left a helper with a broken heap: a lock in it that is never let
 * go takes no processor time, so the clock is watched too.)
 *
 *   request  struct request, then the image
 *   answer   struct answer, then its body: the root's hash and all items, or the message of a failure
 *   item     path NUL type rank dim[3] values     type, rank and dim as uint64; texts each with a NUL */
#include "results/record_image.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/fault.h"
#include "core/system.h"
#include "core/text.h"

/* For one file: of processor time, and of the clock from one word of the helper to the next; one more for so many
 * bytes. */
enum { SECONDS = 5, SILENT_SECONDS = 10, SECOND_BYTES = 1 << 20 };

struct request {
    uint64_t size;
    char format[32], file[PATH_MAX];
};
struct answer {
    uint64_t size;
    int64_t st; /* as wide: nothing between the two is sent that was never set */
};

static struct {
    int fd;
    pid_t pid, owner; /* owner: who started it; after a fork the child starts its own */
} helper = {-1, 0, 0};

/* ---- both sides ---- */

static int send_all(int fd, const void *bytes, size_t n)
{
    for (const char *p = bytes; n > 0;) {
        ssize_t k = sys_send(fd, p, n);
        if (k <= 0) return 0;
        p += k;
        n -= (size_t)k;
    }
    return 1;
}

static int receive_all(int fd, void *bytes, size_t n)
{
    for (char *p = bytes; n > 0;) {
        ssize_t k = sys_receive(fd, p, n);
        if (k <= 0) return 0;
        p += k;
        n -= (size_t)k;
    }
    return 1;
}

/* ---- the helper ---- */

static status put_item(const struct record_item *it, struct text *out)
{
    const uint64_t head[] = {it->type, (uint64_t)it->rank, it->dim[0], it->dim[1], it->dim[2]};
    TRY(text_add(out, it->path, strlen(it->path) + 1));
    TRY(text_add(out, (const char *)head, sizeof head));
    switch (it->type) {
    case ITEM_STRING: return text_add(out, it->v.s, strlen(it->v.s) + 1);
    case ITEM_STRINGS:
        for (size_t i = 0; i < it->n; i++) TRY(text_add(out, it->v.ss[i], strlen(it->v.ss[i]) + 1));
        return ST_OK;
    case ITEM_INT:
    case ITEM_INTS: return it->n ? text_add(out, (const char *)it->v.i, it->n * sizeof *it->v.i) : ST_OK;
    case ITEM_REAL:
    case ITEM_REALS: break;
    }
    return it->n ? text_add(out, (const char *)it->v.d, it->n * sizeof *it->v.d) : ST_OK;
}

static status read_image(const struct request *q, const unsigned char *image, struct arena *a, struct text *body)
{
    struct record r;
    char hash[SHA256_HEX] = "";
    TRY(record_init(&r, a));
    TRY(record_image_read(image, (size_t)q->size, q->format, q->file, &r, hash));
    TRY(text_add(body, hash, sizeof hash));
    for (int i = 0; i < r.count; i++) TRY(put_item(&r.item[i], body));
    return ST_OK;
}

/* What the helper ends with when it ends by itself: nobody talks to it any more, or there is no memory for it. */
enum { GO_ON = -1, NOBODY_THERE = ST_OK, NO_MEMORY = ST_MEMORY };

/* One file. */
static int serve(int fd)
{
    static struct request q;
    struct answer answer = {0, ST_OK};
    struct text body = {0};
    if (!receive_all(fd, &q, sizeof q)) return NOBODY_THERE;
    struct arena *a = arena_new("a record's bytes");
    unsigned char *image = a ? arena_alloc(a, (size_t)q.size) : NULL;
    if (!image) return NO_MEMORY;
    if (!receive_all(fd, image, (size_t)q.size)) return NOBODY_THERE;
    const struct itimerval time = {.it_value = {.tv_sec = SECONDS + (time_t)(q.size / SECOND_BYTES)}};
    setitimer(ITIMER_PROF, &time, NULL); /* its signal kills */
    answer.st = (int64_t)read_image(&q, image, a, &body);
    if (answer.st != ST_OK) {
        body.n = 0;
        if (text_put(&body, status_message()) != ST_OK) return NO_MEMORY;
    }
    answer.size = body.n;
    int sent = send_all(fd, &answer, sizeof answer) && send_all(fd, body.s, body.n);
    text_free(&body);
    arena_free(a);
    return sent ? GO_ON : NOBODY_THERE;
}

static void be_helper(int fd, pid_t parent)
{
    static const int fatal[] = {SIGTERM, SIGPROF, SIGBUS}; /* of these the program may have handlers */
    int end;
    signal(SIGINT, SIG_IGN); /* whoever asked decides */
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++) signal(fatal[i], SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_DUMPABLE, 0); /* no core file for a crash that was expected */
    if (getppid() != parent) _exit(NOBODY_THERE);
    fault_leave();
    notice_quiet(1);
    while ((end = serve(fd)) == GO_ON) continue;
    _exit(end);
}

/* ---- the program ---- */

/* Ends with the helper; how: as waitpid tells, 0 where it was not ours. One that has ended by itself is not changed by
 * the signal. */
static int helper_gone(void)
{
    int how = 0;
    if (helper.fd < 0) return 0;
    close(helper.fd);
    helper.fd = -1;
    if (helper.owner != getpid()) return 0;
    kill(helper.pid, SIGKILL);
    while (waitpid(helper.pid, &how, 0) < 0 && errno == EINTR) continue;
    return how;
}

static status helper_start(void)
{
    int end[2];
    if (helper.fd >= 0 && helper.owner == getpid()) return ST_OK;
    helper_gone();
    FAIL_IF(sys_socket_pair(end) != 0, ST_IO, "cannot make a socket: %s", strerror(errno));
    pid_t me = getpid(), pid = sys_fork();
    if (pid == 0) {
        close(end[0]);
        be_helper(end[1], me);
    }
    int why = errno;
    close(end[1]);
    if (pid < 0) close(end[0]);
    FAIL_IF(pid < 0, ST_IO, "cannot start a process: %s", strerror(why));
    helper.fd = end[0];
    helper.pid = pid;
    helper.owner = me;
    return ST_OK;
}

/* The answer's body in the arena, with a NUL behind it; NULL in *body: the helper died, or says nothing. */
static status ask(const struct request *q, const unsigned char *bytes, struct arena *a, struct answer *answer,
                  char **body)
{
    const struct timeval patience = {.tv_sec = SILENT_SECONDS + (time_t)(q->size / SECOND_BYTES)};
    *body = NULL;
    TRY(helper_start());
    setsockopt(helper.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(helper.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (!send_all(helper.fd, q, sizeof *q) || !send_all(helper.fd, bytes, (size_t)q->size) ||
        !receive_all(helper.fd, answer, sizeof *answer))
        return ST_OK;
    char *room = arena_alloc(a, (size_t)answer->size + 1);
    if (!room) {
        helper_gone();
        return ST_MEMORY;
    }
    if (!receive_all(helper.fd, room, (size_t)answer->size)) return ST_OK;
    room[answer->size] = 0;
    *body = room;
    return ST_OK;
}

struct cursor {
    const char *p, *end;
};

/* n bytes, or NULL where there are no more. */
static const void *take(struct cursor *c, size_t n)
{
    const char *at = c->p;
    if (n > (size_t)(c->end - at)) return NULL;
    c->p += n;
    return at;
}

static const char *take_text(struct cursor *c)
{
    const char *at = c->p, *nul = memchr(at, 0, (size_t)(c->end - at));
    return nul ? take(c, (size_t)(nul - at) + 1) : NULL;
}

static status take_texts(struct cursor *c, const char *path, size_t n, struct record *r)
{
    const char **text;
    FAIL_IF(n > (size_t)(c->end - c->p), ST_INPUT, "more texts than bytes");
    NEW(text, r->arena, n + 1);
    for (size_t i = 0; i < n; i++)
        if (!(text[i] = take_text(c))) return fail(ST_INPUT, "%s ends early", path);
    return record_strings(r, path, text, n);
}

/* Values of 8 bytes, aligned. */
static status take_numbers(struct cursor *c, const char *path, enum item_type type, int rank, const size_t dim[3],
                           struct record *r)
{
    size_t n = 1;
    for (int i = 0; i < rank; i++) n *= dim[i]; /* the helper had them in memory */
    const void *at = take(c, n * 8);
    FAIL_IF(!at, ST_INPUT, "%s ends early", path);
    void *v = arena_alloc(r->arena, n * 8);
    if (!v) return ST_MEMORY;
    memcpy(v, at, n * 8);
    switch (type) {
    case ITEM_INT: return record_int(r, path, *(const int64_t *)v);
    case ITEM_REAL: return record_real(r, path, *(const double *)v);
    case ITEM_INTS: return record_ints(r, path, v, rank, dim);
    default: return record_reals(r, path, v, rank, dim);
    }
}

static status take_item(struct cursor *c, struct record *r)
{
    uint64_t head[5];
    const char *path = take_text(c), *text;
    const void *at = path ? take(c, sizeof head) : NULL;
    FAIL_IF(!at, ST_INPUT, "an item ends early");
    memcpy(head, at, sizeof head);
    const size_t dim[3] = {head[2], head[3], head[4]};
    if (head[0] == ITEM_STRINGS) return take_texts(c, path, dim[0], r);
    if (head[0] != ITEM_STRING) return take_numbers(c, path, (enum item_type)head[0], (int)head[1], dim, r);
    return (text = take_text(c)) ? record_string(r, path, text) : fail(ST_INPUT, "%s ends early", path);
}

/* How the helper ended, for the message. */
static status died(const char *file, int how)
{
    if (WIFEXITED(how) && WEXITSTATUS(how) == NO_MEMORY)
        return fail(ST_MEMORY, "%s: out of memory in the process that opens it", file);
    if (WIFEXITED(how) && WEXITSTATUS(how) == NOBODY_THERE)
        return fail(ST_IO, "%s: no talking to the process that opens it", file);
    if (WIFSIGNALED(how) && (WTERMSIG(how) == SIGPROF || WTERMSIG(how) == SIGKILL))
        return fail(ST_INPUT, "%s: HDF5 does not come to an end over it: expected a record, this file was forged",
                    file);
    return fail(ST_INPUT, "%s: HDF5 crashes over it: expected a record, this file was forged", file);
}

status record_image_read_apart(const unsigned char *bytes, size_t size, const char *format, const char *file,
                               struct record *record, char stored_hash[SHA256_HEX])
{
    struct request q = {.size = size};
    struct answer answer = {0, ST_OK};
    char *body = NULL;
    int how = 0;
    snprintf(q.format, sizeof q.format, "%s", format);
    snprintf(q.file, sizeof q.file, "%s", file);
    /* Someone may have killed it, or the file before: only a file that is the end of two is to blame. */
    for (int tries = 0; tries < 2 && !body; tries++) {
        TRY(ask(&q, bytes, record->arena, &answer, &body));
        if (!body) how = helper_gone();
    }
    if (!body) return died(file, how);
    if (answer.st != ST_OK) return fail((status)answer.st, "%s", body);
    struct cursor c = {body, body + answer.size};
    const void *hash = take(&c, SHA256_HEX);
    FAIL_IF(!hash, ST_INPUT, "%s: HDF5 reads nothing in it", file);
    memcpy(stored_hash, hash, SHA256_HEX);
    while (c.p < c.end) {
        status st = take_item(&c, record);
        if (st != ST_OK) return fail_in(st, "%s", file);
    }
    return ST_OK;
}
