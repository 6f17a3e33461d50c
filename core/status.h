/* Errors are values. Every function that can fail returns enum status; the sentence for the user is set once, where the
 * fault is seen, with fail(), and travels beside the value in a per-thread buffer. Nothing outside main() exits. */
#ifndef PG_CORE_STATUS_H
#define PG_CORE_STATUS_H

/* The values are the process's exit codes (docs: README, "Exit codes"). */
typedef enum status {
    ST_OK = 0,
    ST_CELLS = 1,       /* the grid ran, but some of its cells failed or diverged */
    ST_USAGE = 2,       /* command line, experiment file, option value */
    ST_INPUT = 3,       /* a data, model, tokenizer or result file is missing or broken */
    ST_IO = 4,          /* the system refused to read, write, map, create ... */
    ST_MEMORY = 5,      /* an allocation failed or a limit was reached */
    ST_DIVERGED = 6,    /* loss or gradient became NaN or infinite */
    ST_INTERRUPTED = 7, /* SIGINT or SIGTERM */
    ST_UNSUPPORTED = 8, /* asked for something this build or machine cannot do */
    ST_INTERNAL = 9     /* a broken promise inside the program: a bug */
} status;

/* Sets the message (one clear sentence: file, place, what was expected; no trailing newline) and returns st. */
status fail(status st, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts "text: " before the current message and returns st, for callers that know the place better than the callee. */
status fail_in(status st, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The message of the last failure of this thread; "" when there was none. Valid until the next fail(). */
const char *status_message(void);

/* A short fixed name such as "bad input", for logs and records. */
const char *status_name(status st);

/* Notices (skipped tensors, fallbacks): one line on stderr, "peftgrid: notice: ...". They never change a result.
 * notice_quiet(true) silences them (tests, --quiet); it returns what was set before. */
void notice(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int notice_quiet(int quiet);

#define TRY(expr) \
    do { \
        status try_status_ = (expr); \
        if (try_status_ != ST_OK) return try_status_; \
    } while (0)

#define FAIL_IF(cond, st, ...) \
    do { \
        if (cond) return fail((st), __VA_ARGS__); \
    } while (0)

#endif
