#include "tests/fault/fault_places.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/file.h"
#include "tests/fault/fault_sweep.h"

enum { SKIPPED = 77 };

static void count(struct verdicts *v, const char *name, int verdict, const char *why)
{
    const char *word = verdict == 0 ? "PASS" : verdict == SKIPPED ? "SKIP" : "FAIL";
    printf("%s %s%s%s\n", word, name, *why ? ": " : "", why);
    fflush(stdout);
    v->passed += verdict == 0;
    v->skipped += verdict == SKIPPED;
    v->failed += verdict != 0 && verdict != SKIPPED;
}

static int wrong(const char *name, const char *why, const struct child_run *r)
{
    printf("%s: %s\n  exit code %d, signal %d\n  stdout: %s\n  stderr: %s\n", name, why, r->code, r->signal, r->out,
           r->err);
    fflush(stdout);
    return 1;
}

/* ---- a file system of our own ------------------------------------------------------------------------------------ */

/* work/ becomes a file system in memory that only this process and its children see. */
static int mount_work(const struct bench *b, const char *options)
{
    folder_remove(b->work);
    if (file_make_dirs(b->work) != ST_OK || unshare(CLONE_NEWNS) != 0) return 0;
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", b->work, "tmpfs", 0, options) == 0;
}

static int remount(const struct bench *b, unsigned long flags, const char *options)
{
    return mount("tmpfs", b->work, "tmpfs", MS_REMOUNT | flags, options) == 0;
}

/* In a process of its own, which takes the mount away with it. Its exit code is the verdict. */
static int apart(int (*check)(struct bench *, const struct reference *, long), struct bench *b,
                 const struct reference *ref, long argument)
{
    int how = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) _exit(check(b, ref, argument));
    while (waitpid(pid, &how, 0) < 0 && errno == EINTR) continue;
    return WIFEXITED(how) ? WEXITSTATUS(how) : 1;
}

/* The run on a bad disk, then again on a good one. */
static int run_twice(struct bench *b, const struct reference *ref, const char *name, const char *cause,
                     unsigned long flags, const char *options)
{
    struct child_run r;
    struct arena *arena = arena_new("a disk");
    const struct job *job = &b->job[0];
    job_run(b, job, (struct fault){.n = 0}, arena, &r);
    if (r.signal || *r.leak) return wrong(name, "it did not end by itself, or leaked", &r);
    if (r.code != 0 && !strstr(r.out, cause) && !strstr(r.err, cause)) return wrong(name, "the cause is not named", &r);
    if (r.code != ST_OK && r.code != ST_CELLS && r.code != ST_IO) return wrong(name, "the exit code is wrong", &r);
    struct folder_state left = folder_state(b->work, 0, arena);
    const char *why = state_fault(&left, &ref->work);
    if (*why) return wrong(name, why, &r);
    int told = r.code != 0;
    if (!remount(b, flags, options)) return SKIPPED;
    job_run(b, job, (struct fault){.n = 0}, arena, &r);
    left = folder_state(b->work, 0, arena);
    why = r.code != 0 ? "run again it fails" : state_difference(&left, &ref->work);
    if (*why) return wrong(name, why, &r);
    arena_free(arena);
    return told ? 0 : 2;
}

/* argument: kibibytes. 2: all went well, it was large enough. */
static int on_full_disk(struct bench *b, const struct reference *ref, long kibibytes)
{
    char options[64];
    snprintf(options, sizeof options, "size=%ldk", kibibytes);
    if (!mount_work(b, options)) return SKIPPED;
    return run_twice(b, ref, "a full disk", "No space left on device", 0, "size=64m");
}

static int on_read_only_disk(struct bench *b, const struct reference *ref, long argument)
{
    (void)argument;
    if (!mount_work(b, "size=64m")) return SKIPPED;
    folder_copy(b->earlier, b->work);
    if (!remount(b, MS_RDONLY, "size=64m")) return SKIPPED;
    int verdict = run_twice(b, ref, "a disk that is read only", "Read-only file system", 0, "size=64m");
    return verdict == 2 ? 1 : verdict; /* it cannot have gone well */
}

static int reference_of_run(struct bench *b, struct arena *arena, struct reference *ref)
{
    return reference_make(b, &b->job[0], arena, ref);
}

void full_disk(struct bench *b, struct verdicts *v)
{
    char why[100];
    int sizes = 0, verdict = 1;
    struct reference ref;
    struct arena *arena = arena_new("a reference");
    if (reference_of_run(b, arena, &ref))
        for (long kibibytes = 4; (verdict = apart(on_full_disk, b, &ref, kibibytes)) == 0; kibibytes += 4) sizes++;
    if (verdict == SKIPPED)
        snprintf(why, sizeof why, "no file system can be mounted here");
    else
        snprintf(why, sizeof why, "%d sizes of a disk, 4 KiB apart, too small", sizes);
    count(v, "full_disk", verdict == 2 && sizes > 0 ? 0 : verdict, why);
    arena_free(arena);
}

void read_only_disk(struct bench *b, struct verdicts *v)
{
    struct reference ref;
    struct arena *arena = arena_new("a reference");
    int verdict = reference_of_run(b, arena, &ref) ? apart(on_read_only_disk, b, &ref, 0) : 1;
    count(v, "read_only_disk", verdict, verdict == SKIPPED ? "no file system can be mounted here" : "");
    arena_free(arena);
}

/* ---- standard output --------------------------------------------------------------------------------------------- */

void full_output(struct bench *b, struct verdicts *v)
{
    struct arena *arena = arena_new("outputs");
    int bad = 0;
    if (access("/dev/full", W_OK) != 0) {
        count(v, "full_output", SKIPPED, "/dev/full is not here");
        arena_free(arena);
        return;
    }
    for (int i = 0; i < b->jobs; i++) {
        struct child_run r;
        bench_begin(b, &b->job[i]);
        job_run(b, &b->job[i], (struct fault){.out = "/dev/full"}, arena, &r);
        if (r.code != ST_IO || strcmp(r.err, "peftgrid: cannot write to standard output: No space left on device\n"))
            bad = wrong(b->job[i].name, "expected exit code 4 and the cause", &r);
    }
    count(v, "full_output", bad, "");
    arena_free(arena);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* Bytes of address space this process has now. */
static size_t address_space(void)
{
    char text[64] = "";
    size_t n;
    if (file_head("/proc/self/statm", text, sizeof text - 1, &n) != ST_OK) return 0;
    return (size_t)strtoull(text, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

void little_memory(struct bench *b, struct verdicts *v)
{
    char why[100];
    struct reference ref;
    int bad = 0, ended = 0, limits = 0;
#ifdef __SANITIZE_ADDRESS__
    count(v, "little_memory", SKIPPED, "AddressSanitizer reserves more address space than any limit allows");
    return;
#endif
    struct arena *arena = arena_new("limits");
    if (!reference_of_run(b, arena, &ref)) bad = 1;
    for (size_t more = 0; more <= (size_t)48 << 20 && !bad; more += (size_t)2 << 20, limits++) {
        struct child_run r;
        bench_begin(b, &b->job[0]);
        job_run(b, &b->job[0], (struct fault){.memory = address_space() + more}, arena, &r);
        ended += r.code != 0;
        struct folder_state left = folder_state(b->work, STATE_KILLED, arena);
        const char *fault = state_fault(&left, &ref.work);
        if (*fault) bad = wrong("little memory", fault, &r);
        job_run(b, &b->job[0], (struct fault){.n = 0}, arena, &r);
        left = folder_state(b->work, STATE_KILLED, arena);
        fault = r.code != 0 ? "run again it fails" : state_difference(&left, &ref.work);
        if (*fault) bad = wrong("little memory", fault, &r);
    }
    snprintf(why, sizeof why, "%d limits of address space, 2 MiB apart; %d of them too low", limits, ended);
    count(v, "little_memory", bad || ended == 0, why);
    arena_free(arena);
}
