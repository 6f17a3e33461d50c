/* The command line: words to options and positional arguments, by the same tables that make the help. */
#include "bench/cli.h"

#include <string.h>
#include "core/text.h"

const struct command *cli_find(const char *name)
{
    for (const struct command *const *c = command_table; *c; c++)
        if (strcmp((*c)->name, name) == 0) return *c;
    return NULL;
}

status cli_unknown_command(const char *name, struct arena *arena)
{
    int n = 0;
    while (command_table[n]) n++;
    const char **names;
    NEW(names, arena, n + 1);
    for (int i = 0; i < n; i++) names[i] = command_table[i]->name;
    return cli_unknown("", "command", name, names, n);
}

status cli_unknown(const char *where, const char *what, const char *name, const char *const *names, int count)
{
    const char *sep = *where ? ": " : "";
    const char *near = text_nearest(name, names, count);
    if (near) return fail(ST_USAGE, "%s%sunknown %s '%s'; did you mean '%s'?", where, sep, what, name, near);
    struct text known = {0};
    status st = ST_OK;
    for (int i = 0; i < count && st == ST_OK; i++) {
        if (i == 12) {
            st = text_put(&known, ", ...");
            break;
        }
        st = text_printf(&known, "%s%s", i ? ", " : "", names[i]);
    }
    if (st == ST_OK)
        st = fail(ST_USAGE, "%s%sunknown %s '%s'; known: %s", where, sep, what, name, count ? known.s : "none");
    text_free(&known);
    return st;
}

static status unknown_option(const struct command *cmd, const char *word, size_t name_len, struct arena *arena)
{
    char *name = arena_printf(arena, "%.*s", (int)name_len, word);
    if (!name) return ST_MEMORY;
    int n = 1;
    for (const struct option *o = cmd->options; o && o->name; o++) n++;
    const char **names;
    NEW(names, arena, n);
    n = 0;
    names[n++] = "--help";
    for (const struct option *o = cmd->options; o && o->name; o++) {
        if (o->flags & OPTION_HIDDEN) continue;
        if (!(names[n++] = arena_printf(arena, "--%s", o->name))) return ST_MEMORY;
    }
    return cli_unknown("", "option", name, names, n);
}

/* The option of that name, with - and _ taken for the same: experiment files write max_len, command lines --dry-run. */
static const struct option *find_either(const struct option *table, const char *name)
{
    for (const struct option *o = table; o && o->name; o++) {
        const char *a = o->name, *b = name;
        while (*a && (*a == *b || (strchr("-_", *a) && *b && strchr("-_", *b)))) a++, b++;
        if (!*a && !*b) return o;
    }
    return NULL;
}

/* One word that begins with "--"; *used: how many words it took. */
static status parse_option(const struct command *cmd, int left, char **word, struct arena *arena,
                           struct command_line *line, int *used)
{
    const char *eq = strchr(word[0], '=');
    size_t n = eq ? (size_t)(eq - word[0]) : strlen(word[0]);
    char *name = arena_printf(arena, "%.*s", (int)n - 2, word[0] + 2);
    if (!name) return ST_MEMORY;
    const struct option *o = find_either(cmd->options, name);
    if (!o) return unknown_option(cmd, word[0], n, arena);
    const char *value = eq ? eq + 1 : NULL;
    *used = 1;
    if (!value && o->type == OPT_FLAG) value = "yes";
    if (!value) {
        FAIL_IF(left < 2 || strncmp(word[1], "--", 2) == 0, ST_USAGE, "option --%s needs a value: --%s %s", name, name,
                o->choices ? o->choices : "VALUE");
        value = word[1];
        *used = 2;
    }
    return option_set(cmd->options, line->options, o->name, value, "command line", arena);
}

static status check_count(const struct command *cmd, const struct command_line *line)
{
    const char *gap = *cmd->usage ? " " : "";
    FAIL_IF(line->count < cmd->min_args, ST_USAGE, "%s: an argument is missing; usage: peftgrid %s%s%s", cmd->name,
            cmd->name, gap, cmd->usage);
    FAIL_IF(cmd->max_args >= 0 && line->count > cmd->max_args, ST_USAGE,
            "%s: '%s' is one argument too many; usage: peftgrid %s%s%s", cmd->name, line->args[cmd->max_args],
            cmd->name, gap, cmd->usage);
    return ST_OK;
}

status cli_parse(const struct command *cmd, int argc, char **argv, struct arena *arena, struct command_line *line)
{
    *line = (struct command_line){0};
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            line->help = 1;
            return ST_OK;
        }
    NEW(line->args, arena, argc + 1);
    TRY(option_new(cmd->options, cmd->option_size, arena, &line->options));
    int only_words = 0;
    for (int i = 0; i < argc;) {
        int used = 1;
        if (!only_words && strcmp(argv[i], "--") == 0)
            only_words = 1;
        else if (!only_words && strncmp(argv[i], "--", 2) == 0)
            TRY(parse_option(cmd, argc - i, argv + i, arena, line, &used));
        else if (!only_words && argv[i][0] == '-' && argv[i][1])
            return fail(ST_USAGE, "unknown option '%s': options are written --name", argv[i]);
        else
            line->args[line->count++] = argv[i];
        i += used;
    }
    line->args[line->count] = NULL;
    return check_count(cmd, line);
}
