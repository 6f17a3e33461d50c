#include "bench/run_record.h"

#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include "bench/adapter.h"
#include "bench/bops_record.h"
#include "bench/cli.h"
#include "bench/provenance.h"
#include "bench/run_list.h"
#include "core/gemm_bf16.h"
#include "core/lap.h"
#include "core/parallel.h"
#include "core/sha256.h"

/* ---- identity ---- */

/* Each "name=value" line of the canonical text as config/name. */
static status record_config(const char *canon, struct arena *scratch, struct record *r)
{
    char path[RECORD_PATH];
    char *copy = arena_strdup(scratch, canon), *rest = NULL;
    if (!copy) return ST_MEMORY;
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *value = strchr(line, '=');
        if (!value) continue;
        *value++ = 0;
        TRY(record_path(path, "config/{}", line, NULL));
        TRY(record_string(r, path, value));
    }
    return ST_OK;
}

static status record_identity(const struct run_facts *f, const char *word, const char *cause, struct arena *scratch,
                              struct record *r)
{
    const struct cell *c = f->cell;
    TRY(record_string(r, "run/id", f->id));
    TRY(record_string(r, "run/canon", c->canon));
    TRY(record_string(r, "run/status", word));
    if (cause) TRY(record_string(r, "run/cause", cause));
    TRY(record_string(r, "run/row", c->row));
    TRY(record_string(r, "run/method", c->method->name));
    TRY(record_string(r, "run/store", c->store->name));
    TRY(record_string(r, "run/arith", train_arith(&c->train)->name));
    TRY(record_string(r, "run/task", c->task->name));
    TRY(record_string(r, "run/model", c->model_label));
    TRY(record_int(r, "run/seed", c->seed));
    TRY(record_string(r, "run/protocol", protocol_name[c->train.protocol]));
    TRY(record_int(r, "run/numerics", NUMERICS_VERSION));
    TRY(record_string(r, "run/kernels", gemm_backend_name(gemm_backend())));
    return record_config(c->canon, scratch, r);
}

/* ---- environment ---- */

static status record_date(double seconds_ago, struct record *r)
{
    char text[32];
    struct tm utc;
    time_t begin = time(NULL) - (time_t)seconds_ago;
    FAIL_IF(!gmtime_r(&begin, &utc) || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc), ST_IO,
            "the system's time cannot be told");
    return record_string(r, "environment/date", text);
}

/* The class whose kernels made the result. */
static enum cpu_class class_of(const struct run_facts *f)
{
    return f->cell->train.precision == PRECISION_BF16 ? gemm_bf16_class() : cpu_class();
}

static status record_machine(const struct run_facts *f, struct record *r)
{
    char host[HOST_NAME_MAX + 1] = "unknown", name[sizeof(struct utsname)] = "unknown";
    struct utsname u;
    gethostname(host, sizeof host - 1);
    if (uname(&u) == 0) snprintf(name, sizeof name, "%s %s %s", u.sysname, u.release, u.machine);
    TRY(record_string(r, "environment/host", host));
    TRY(record_string(r, "environment/system", name));
    TRY(record_string(r, "environment/cpu", cpu_model()));
    TRY(record_string(r, "environment/cpu_class", cpu_class_name(class_of(f))));
    TRY(record_int(r, "environment/threads", parallel_threads()));
    TRY(record_string(r, "environment/compiler", __VERSION__));
    return record_string(r, "environment/version", PG_VERSION);
}

static status record_provenance(struct arena *scratch, struct record *r)
{
    const char *text;
    TRY(provenance_command(scratch, &text));
    if (*text) TRY(record_string(r, "environment/command", text));
    TRY(provenance_libraries(scratch, &text));
    return record_string(r, "environment/libraries", text);
}

static status record_environment(const struct run_facts *f, struct arena *scratch, struct record *r)
{
    double now = clock_seconds() - f->begin, earlier = f->training ? f->training->curves.earlier : 0;
    if (f->experiment) TRY(record_string(r, "environment/experiment", f->experiment));
    TRY(record_string(r, "environment/label", f->cell->label));
    if (f->cell->tuning) TRY(record_string(r, "environment/tuning", f->cell->tuning));
    TRY(record_real(r, "environment/wall_seconds", earlier + now));
    TRY(record_date(now, r));
    TRY(record_provenance(scratch, r));
    return record_machine(f, r);
}

static status record_costs(const struct training *t, struct record *r)
{
    const struct curves *c = &t->curves;
    struct rusage use;
    FAIL_IF(getrusage(RUSAGE_SELF, &use) != 0, ST_IO, "the system does not tell the memory in use");
    TRY(record_real(r, "environment/train_seconds", c->train_seconds));
    TRY(record_real(r, "environment/eval_seconds", c->eval_seconds));
    TRY(record_real(r, "environment/tokens_per_second",
                    c->train_seconds > 0 ? (double)c->tokens / c->train_seconds : 0));
    TRY(record_int(r, "environment/peak_rss_bytes", (int64_t)use.ru_maxrss * 1024));
    return record_int(r, "environment/arena_peak_bytes", (int64_t)arena_total_peak());
}

/* ---- data and curves ---- */

static status record_set(const struct cell_set *set, struct record *r)
{
    const char *name = set->name;
    const struct {
        const char *pattern;
        int64_t value;
    } item[] = {{"data/{}/examples", set->tokens.n},
                {"data/{}/tokens", tokens_total(&set->tokens)},
                {"data/{}/longest", set->tokens.longest},
                {"data/{}/truncated", set->tokens.truncated}};
    char path[RECORD_PATH];
    for (size_t i = 0; i < sizeof item / sizeof item[0]; i++) {
        TRY(record_path(path, item[i].pattern, name, NULL));
        TRY(record_int(r, path, item[i].value));
    }
    TRY(record_path(path, "hashes/data/{}", name, NULL));
    return record_string(r, path, set->tokens.data_hash);
}

static status record_data(const struct run_facts *f, struct record *r)
{
    TRY(record_string(r, "hashes/tokenizer", f->data->tokenizer->hash));
    if (f->data->train.set) TRY(record_set(&f->data->train, r));
    for (int i = 0; i < f->data->devs; i++) TRY(record_set(&f->data->dev[i], r));
    return ST_OK;
}

static status record_curves(const struct training *t, struct record *r)
{
    const struct curves *c = &t->curves;
    const size_t n = (size_t)c->done;
    TRY(record_int(r, "train/steps", c->done));
    TRY(record_int(r, "train/steps_per_epoch", t->plan.per_epoch));
    TRY(record_int(r, "train/tokens", c->tokens));
    TRY(record_reals(r, "train/loss", c->loss, 1, &n));
    TRY(record_reals(r, "train/lr", c->lr, 1, &n));
    TRY(record_reals(r, "train/grad_norm", c->grad_norm, 1, &n));
    return record_reals(r, "train/penalty", c->penalty, 1, &n);
}

static status record_adapter(const struct run_facts *f, struct record *r)
{
    char hex[SHA256_HEX];
    TRY(record_int(r, "adapter/bytes", (int64_t)adapter_bytes(f->training->session)));
    if (!f->adapter_path) return ST_OK;
    const char *slash = strrchr(f->adapter_path, '/');
    TRY(sha256_file(f->adapter_path, hex));
    TRY(record_string(r, "environment/adapter_file", slash ? slash + 1 : f->adapter_path));
    return record_string(r, "environment/adapter_sha256", hex);
}

/* ---- whole records ---- */

/* All that training left; after a divergence evaluations and curves may be short. */
static status record_training(const struct run_facts *f, struct arena *scratch, struct record *r)
{
    const struct training *t = f->training;
    const struct tokens *set = f->data->train.set ? &f->data->train.tokens : &f->data->dev[0].tokens;
    TRY(record_string(r, "hashes/model", t->session->model->hash));
    TRY(record_curves(t, r));
    TRY(history_record(&t->history, r));
    TRY(trace_record(&t->trace, t->session, scratch, r));
    TRY(bops_record(t->session, cell_max_len(f->cell), (double)tokens_total(set) / set->n, r));
    return record_costs(t, r);
}

status run_record_result(const struct run_facts *f, struct arena *scratch, struct record *r)
{
    TRY(record_identity(f, "ok", NULL, scratch, r));
    TRY(record_environment(f, scratch, r));
    TRY(record_data(f, r));
    TRY(record_training(f, scratch, r));
    return record_adapter(f, r);
}

status run_record_failure(const struct run_facts *f, const char *status_word, const char *cause, struct arena *scratch,
                          struct record *r)
{
    TRY(record_identity(f, status_word, cause, scratch, r));
    TRY(record_environment(f, scratch, r));
    if (f->data) TRY(record_data(f, r));
    return f->training ? record_training(f, scratch, r) : ST_OK;
}
