#include "tests/fault/fault_sweep.h"
#include "core/lap.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN = 6, ENDLESS = 1 << 30 };

void job_run(const struct bench *b, const struct job *job, struct fault f, struct arena *arena, struct child_run *r)
{
    char *word[JOB_WORDS + 2] = {"peftgrid"};
    for (int i = 0; i < JOB_WORDS && job->word[i]; i++) word[i + 1] = (char *)(uintptr_t)job->word[i];
    child_run(word, b->folder, f, arena, r);
}

int reference_make(struct bench *b, const struct job *job, struct arena *arena, struct reference *ref)
{
    struct child_run r;
    bench_begin(b, job);
    job_run(b, job, (struct fault){.n = 0}, arena, &r);
    if (r.code != 0 || *r.leak) {
        printf("FAIL %s without any fault: exit code %d, signal %d: %s%s\n", job->name, r.code, r.signal, r.err,
               r.leak);
        return 0;
    }
    *ref = (struct reference){r.out, folder_state(b->work, 0, arena), folder_state(b->done, STATE_BYTES, arena)};
    return 1;
}

/* stderr but for notices: nothing, or one line of our own. */
static int one_sentence(const char *err, int wanted, struct arena *arena)
{
    char *text = arena_strdup(arena, err), *rest = NULL;
    int lines = 0;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, "peftgrid: notice: ", 18) == 0) continue;
        if (strncmp(line, "peftgrid: ", 10) != 0) return 0;
        lines++;
    }
    return lines == wanted;
}

/* Equal texts, whatever the seconds: "in 0.1 s,". */
static int same_output(const char *a, const char *b)
{
    for (; *a && *a == *b; a++, b++) {
        if (strncmp(a, " in ", 4) != 0 || strncmp(b, " in ", 4) != 0) continue;
        a += strspn(a, " in0123456789.") - 1;
        b += strspn(b, " in0123456789.") - 1;
    }
    return *a == *b;
}

static int names_a_place(const char *said)
{
    static const char *const place[] = {
        "/", "work: ", "bert: ", ".ini: ", ".tsv: ", ".txt: ", "standard output", "a pipe", "a process"};
    for (size_t i = 0; i < sizeof place / sizeof place[0]; i++)
        if (strstr(said, place[i])) return 1;
    return 0;
}

/* The fault was told: how well? */
static const char *telling_fault(const struct job *job, const struct child_run *r, int code, const char *cause,
                                 struct arena *arena)
{
    if (code == 0) return "it gave up, where it should have gone on";
    if (r->code != code && !(job->list && r->code == 1)) return "the exit code is wrong";
    if (!one_sentence(r->err, 1, arena)) return "stderr is not one sentence";
    const char *said = strstr(r->err, cause) ? r->err : job->list ? r->out : "";
    if (!strstr(said, cause)) return "the sentence does not name the cause";
    if (code == ST_IO && !names_a_place(said)) return "the sentence does not name the file";
    return "";
}

const char *run_fault(struct bench *b, const struct job *job, const struct reference *ref, const struct child_run *r,
                      int code, const char *cause, struct arena *arena)
{
    struct child_run again;
    if (r->signal) return "it died of a signal";
    if (*r->leak) return r->leak;
    const char *why = r->code ? telling_fault(job, r, code, cause, arena) : "";
    if (*why) return why;
    if (r->code == 0 && !same_output(r->out, ref->out)) return "it printed something else and called it success";
    if (r->code == 0 && !one_sentence(r->err, 0, arena)) return "stderr is not empty after success";
    struct folder_state left = folder_state(b->work, 0, arena), done = folder_state(b->done, STATE_BYTES, arena);
    if (*(why = state_fault(&left, &ref->work))) return why;
    if (*(why = state_difference(&done, &ref->done))) return arena_printf(arena, "earlier results: %s", why);
    if (r->code == 0 && !job->list && !*(why = state_difference(&left, &ref->work))) return "";
    job_run(b, job, (struct fault){.n = 0}, arena, &again);
    if (again.code != 0) return arena_printf(arena, "run again it ends with %d: %s", again.code, again.err);
    left = folder_state(b->work, 0, arena);
    why = state_difference(&left, &ref->work);
    return *why ? arena_printf(arena, "run again: %s", why) : "";
}

/* How many allocations or calls there are to fail. */
static long count_events(struct bench *b, const struct job *job, const struct sweep *s, struct arena *arena)
{
    struct child_run r;
    bench_begin(b, job);
    job_run(b, job, (struct fault){.group = s->group, .n = ENDLESS, .how = s->how}, arena, &r);
    return r.events;
}

int sweep_job(struct bench *b, const struct job *job, const struct sweep *s)
{
    struct arena *whole = arena_new("a reference"), *arena = arena_new("a try");
    struct reference ref;
    double begin = clock_seconds();
    long tried = 0, told = 0, bad = 0;
    int past = 0, good = reference_make(b, job, whole, &ref);
    long events = good ? count_events(b, job, s, whole) : 0, step = s->most && events > s->most ? events / s->most : 1;
    for (long n = 1; good && !past; n += step) {
        struct child_run r;
        bench_begin(b, job);
        job_run(b, job, (struct fault){.group = s->group, .n = n, .how = s->how}, arena, &r);
        past = !*r.struck;
        const char *why = run_fault(b, job, &ref, &r, past ? 0 : s->code, s->cause, arena);
        tried += !past;
        told += !past && r.code != 0;
        if (*why && bad++ < SHOWN)
            printf("%s %s, n = %ld (%s): %s\n  exit code %d, signal %d\n  stdout: %s\n  stderr: %s\n", s->name,
                   job->name, n, r.struck, why, r.code, r.signal, r.out, r.err);
        arena_reset(arena, (struct arena_mark){0});
    }
    arena_free(arena);
    arena_free(whole);
    good = good && bad == 0 && (tried > 0 || events == 0);
    printf("%s %s %s: %ld tried of %ld, %ld told, %ld borne, %ld wrong; %.0f s\n", good ? "PASS" : "FAIL", s->name,
           job->name, tried, events, told, tried - told, bad, clock_seconds() - begin);
    fflush(stdout);
    return good;
}
