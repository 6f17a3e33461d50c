/* The life of a method on a model, the same for every method: checks of the table row, memory, choice of sites, attach.
 * A method that breaks a promise of method.h is stopped here with one sentence instead of failing later. */
#include <stdint.h>
#include <string.h>
#include "methods/method.h"

static const unsigned known_flags = METHOD_MERGEABLE | METHOD_IDENTITY_INIT | METHOD_NEEDS_WEIGHT | METHOD_TRAINS_BASE |
                                    METHOD_WHOLE_TABLE | METHOD_HIDDEN | METHOD_OBSERVES | METHOD_OWNS_WEIGHTS;

const struct method *method_find(const char *name)
{
    for (int i = 0; method_table[i]; i++)
        if (strcmp(method_table[i]->name, name) == 0) return method_table[i];
    return NULL;
}

/* NULL when the row is sound, else what is wrong with it. */
static const char *fault(const struct method *m)
{
    if (m->abi != METHOD_ABI) return "it was written for another version of methods/method.h";
    if (m->flags & ~known_flags) return "it sets a flag that methods/method.h does not know";
    if (m->preset_of) return "it is a preset: the method it stands for has to be started";
    if (!m->summary || !m->source) return "summary and source must be given";
    if ((m->options != NULL) != (m->option_size > 0)) return "options and option_size belong together";
    if ((m->site_ops.forward != NULL) != (m->site_ops.backward != NULL))
        return "site_ops.forward and site_ops.backward belong together";
    if (m->site_ops.forward && !m->attach) return "a forward on sites needs an attach hook";
    if (m->site_ops.forward && !m->report) return "a method that works on sites must report its sizes";
    if (m->attach && !(m->options && option_find(m->options, "sites"))) return "attach needs an option named 'sites'";
    if ((m->flags & METHOD_NEEDS_WEIGHT) && !m->attach) return "METHOD_NEEDS_WEIGHT is of no use without attach";
    if (((m->flags & METHOD_MERGEABLE) != 0) != (m->effective != NULL))
        return "METHOD_MERGEABLE and the hook effective belong together";
    return NULL;
}

static status check(const struct mrun *run)
{
    const struct method *m = run->method;
    FAIL_IF(!m || !m->name, ST_INTERNAL, "a method without a name was started");
    FAIL_IF(m->unavailable, ST_UNSUPPORTED, "method %s cannot run in this build: %s", m->name, m->unavailable);
    const char *wrong = fault(m);
    FAIL_IF(wrong, ST_INTERNAL, "method %s: %s", m->name, wrong);
    FAIL_IF(m->options && !run->options, ST_INTERNAL, "method %s was started without its options", m->name);
    return ST_OK;
}

static status choose(struct mrun *run)
{
    const struct option *o = run->method->options ? option_find(run->method->options, "sites") : NULL;
    ZNEW(run->chosen, run->arena, run->sites);
    if (!o) return ST_OK;
    FAIL_IF(o->type != OPT_STRING, ST_INTERNAL, "method %s: its option 'sites' must be a string", run->method->name);
    const char *spec = *(const char *const *)((const char *)run->options + o->offset);
    status st = sites_choose(run->site, run->sites, spec, run->chosen);
    return st == ST_OK ? ST_OK : fail_in(st, "method %s, option sites", run->method->name);
}

static status attach_one(struct mrun *run, struct site *site, struct arena *temporary)
{
    const struct method *m = run->method;
    real *w = NULL;
    FAIL_IF(site->run, ST_INTERNAL, "two methods on the site %s", site->name);
    if (m->site_size && !(site->adapter = arena_zalloc(run->arena, m->site_size))) return ST_MEMORY;
    site->run = run;
    site->ops = m->site_ops.forward ? &m->site_ops : NULL;
    if ((m->flags & METHOD_NEEDS_WEIGHT) && site->kind == SITE_LINEAR) {
        NEW(w, temporary, (size_t)site->out * (size_t)site->in);
        site->w.tile(&site->w, 0, site->out, 0, site->in, w, site->in);
    }
    return m->attach(run, site, w);
}

static status attach_all(struct mrun *run)
{
    struct arena *temporary = arena_new("weights for attach");
    if (!temporary) return ST_MEMORY;
    struct arena_mark start = arena_mark(temporary);
    status st = ST_OK;
    for (int i = 0; st == ST_OK && i < run->sites; i++) {
        if (!run->chosen[i]) continue;
        st = attach_one(run, run->site[i], temporary);
        arena_reset(temporary, start);
    }
    arena_free(temporary);
    return st;
}

status method_start(struct mrun *run)
{
    TRY(check(run));
    const struct method *m = run->method;
    if (m->run_size && !(run->state = arena_zalloc(run->arena, m->run_size))) return ST_MEMORY;
    TRY(choose(run));
    if (m->setup) TRY(m->setup(run));
    return m->attach ? attach_all(run) : ST_OK;
}

status method_prepare(struct mrun *run, struct pass *pass)
{
    if (!run->method->prepare) return ST_OK;
    for (int i = 0; i < run->sites; i++)
        if (run->chosen[i]) TRY(run->method->prepare(run, run->site[i], pass));
    return ST_OK;
}
