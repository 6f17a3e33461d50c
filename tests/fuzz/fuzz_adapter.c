/* An adapter: our own file, a peft folder, or a bare weight file, put into a small BERT with LoRA. */
#include "tests/pgtest.h"

#include "tests/fuzz/fuzzing.h"

#include "bench/adapter.h"
#include "core/file.h"
#include "tests/tiny_cell.h"

static const char *const files[] = {"ours.safetensors", "peft/adapter_config.json", "peft/adapter_model.safetensors",
                                    "peft/adapter_model.bin", NULL};

/* One session for all inputs: loading only sets values, and what is asked of the reader does not depend on them. */
static struct session *the_session(void)
{
    static struct session session;
    static struct arena *arena; /* asked for below, so that it stays: what a leak checker follows begins here */
    const struct adapter_info info = {.method = "lora", .options = "rank=2\nsites=query+value\n"};
    struct session_spec spec = {.model = {.path = tiny_model(), .head = HEAD_CLASSIFY, .num_labels = 2}, .seed = 1};
    void *options;
    if (arena) return &session;
    arena = arena_new("the harness's options");
    ck_ok(adapter_method(&info, "the harness", &spec.method, &options, arena));
    spec.method_options = options;
    spec.model.cls_dropout = spec.model.hidden_dropout = spec.model.attn_dropout = -1;
    ck_ok(session_open(&spec, &session));
    return &session;
}

static status take(const char *path, struct arena *a)
{
    struct adapter_info info;
    const struct method *method;
    void *options;
    TRY(adapter_inspect(path, a, &info));
    status st = adapter_method(&info, path, &method, &options, a);
    fuzz_expect(st != ST_OK || method, "an adapter without a method");
    status started = adapter_load(the_session(), path, ADAPTER_START);
    if (started != ST_OK) return started;
    return st == ST_OK ? adapter_load(the_session(), path, ADAPTER_EXACT) : st;
}

static status run(const unsigned char *p, size_t n, struct arena *a)
{
    struct session *s = the_session();
    fuzz_expect(s->model != NULL, "the harness's model is open");
    fuzz_parts(p, n, files, a);
    const char *ours = path_join(a, fuzz_folder(), files[0]), *peft = path_join(a, fuzz_folder(), "peft");
    status st = file_exists(ours) ? take(ours, a) : ST_OK;
    return st == ST_OK && file_exists(peft) ? take(peft, a) : st;
}

const struct fuzz fuzz_adapter = {"adapter", "adapters: our file, a peft folder", run};
