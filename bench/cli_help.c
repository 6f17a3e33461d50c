/* Help and man pages from the command table. What is true of all commands (exit codes, environment) stands here once.
 */
#include "bench/cli.h"

#include <ctype.h>
#include <string.h>

static const struct {
    int code;
    const char *meaning;
} exit_codes[] = {
    {ST_OK, "all went well"},
    {ST_CELLS, "the grid ran, but some of its cells failed or diverged"},
    {ST_USAGE, "the command line, the experiment file or an option's value is wrong"},
    {ST_INPUT, "a data, model, tokenizer or result file is missing or broken"},
    {ST_IO, "the system refused to read, write or create something"},
    {ST_MEMORY, "out of memory"},
    {ST_DIVERGED, "the loss or a gradient became infinite or not a number"},
    {ST_INTERRUPTED, "stopped by SIGINT or SIGTERM"},
    {ST_UNSUPPORTED, "this build or machine cannot do what was asked"},
    {ST_INTERNAL, "a bug in peftgrid: please report it"},
};
enum { EXIT_CODES = sizeof exit_codes / sizeof exit_codes[0] };

static const struct {
    const char *name, *meaning;
} variables[] = {
    {"PEFTGRID_MODELS", "folder of models that an experiment names shortly; searched before ~/.cache/peftgrid/models"},
    {"PEFTGRID_DATA", "folder of data sets that an experiment names shortly; searched before ~/.cache/peftgrid/data"},
    {"PEFTGRID_CPU",
     "generic, avx2 or avx512: the processor's instructions to use, at most; changes speed, not results"},
    {"XDG_CACHE_HOME", "used in place of ~/.cache"},
};
enum { VARIABLES = sizeof variables / sizeof variables[0] };

static const char about[] = "train and evaluate fine-tuning methods over a grid of models, tasks and seeds";

/* Prints text in lines of at most 78 characters. */
static void wrapped(FILE *f, const char *text)
{
    int column = 0;
    while (*text) {
        size_t n = strcspn(text, " \n");
        if (column && column + 1 + (int)n > 78) {
            fputc('\n', f);
            column = 0;
        }
        if (column) column += fputc(' ', f) == ' ';
        column += fprintf(f, "%.*s", (int)n, text);
        text += n;
        if (*text == '\n') {
            fputc('\n', f);
            column = 0;
        }
        text += *text != 0;
    }
    if (column) fputc('\n', f);
}

static void print_exit_codes(FILE *f)
{
    fprintf(f, "\nExit codes:\n");
    for (int i = 0; i < EXIT_CODES; i++) fprintf(f, "  %d  %s\n", exit_codes[i].code, exit_codes[i].meaning);
}

void cli_help(FILE *f)
{
    fprintf(f, "peftgrid: %s\n\nUsage: peftgrid COMMAND [arguments]\n\nCommands:\n", about);
    for (const struct command *const *c = command_table; *c; c++) fprintf(f, "  %-10s %s\n", (*c)->name, (*c)->summary);
    fprintf(f, "\n`peftgrid help COMMAND` or `peftgrid COMMAND --help` tells more; --version prints the version.\n");
    fprintf(f, "Begin with: peftgrid run mini_demo && peftgrid table mini_demo\n");
    print_exit_codes(f);
    fprintf(f, "\nEnvironment:\n");
    for (int i = 0; i < VARIABLES; i++) fprintf(f, "  %s\n      %s\n", variables[i].name, variables[i].meaning);
}

void cli_command_help(FILE *f, const struct command *c)
{
    fprintf(f, "peftgrid %s: %s\n\nUsage: peftgrid %s%s%s\n", c->name, c->summary, c->name, *c->usage ? " " : "",
            c->usage);
    if (c->details && *c->details) {
        fputc('\n', f);
        wrapped(f, c->details);
    }
    if (c->options && c->options->name) {
        fprintf(f, "\nOptions:\n");
        option_help(f, c->options, 1);
    }
}

/* ---- troff ---- */

/* Text in troff: backslashes, dashes, and lines that begin with a control character. */
static void troff(FILE *f, const char *s)
{
    int line_start = 1;
    for (; *s; s++) {
        if (line_start && (*s == '.' || *s == '\'')) fputs("\\&", f);
        if (*s == '\\')
            fputs("\\e", f);
        else if (*s == '-')
            fputs("\\-", f);
        else
            fputc(*s, f);
        line_start = *s == '\n';
    }
}

static void man_title(FILE *f, const char *name)
{
    fputs(".TH ", f);
    for (; *name; name++) fputc(toupper((unsigned char)*name), f);
    fprintf(f, " 1 \"\" \"peftgrid " PG_VERSION "\" \"User Commands\"\n");
}

static void man_options(FILE *f, const struct option *table)
{
    for (const struct option *o = table; o && o->name; o++) {
        if (o->flags & OPTION_HIDDEN) continue;
        fputs(".TP\n.B \\-\\-", f);
        troff(f, o->name);
        if (o->type != OPT_FLAG) {
            fputs(" \\fI", f);
            troff(f, o->choices ? o->choices : o->type == OPT_BOOL ? "yes|no" : "N");
            fputs("\\fR", f);
        }
        fputc('\n', f);
        troff(f, o->help);
        if (o->def && *o->def && o->type != OPT_FLAG) {
            fputs(" (default ", f);
            troff(f, o->def);
            fputc(')', f);
        }
        fputs(".\n", f);
    }
}

/* Usage, details and options of one command, below a heading that is already there; alone: the page is about this
 * command only, with headings of its own. */
static void man_body(FILE *f, const struct command *c, int alone)
{
    fputs(".B peftgrid ", f);
    troff(f, c->name);
    fputs(" \\fR", f);
    troff(f, c->usage);
    fputs(alone ? "\n.SH DESCRIPTION\n" : "\n.PP\n", f);
    fputc(toupper((unsigned char)*c->summary), f);
    troff(f, c->summary + 1);
    fputs(".\n", f);
    if (c->details && *c->details) {
        fputs(".PP\n", f);
        for (const char *p = c->details; *p;) { /* an empty line begins a paragraph */
            const char *next = strstr(p, "\n\n");
            char part[4096];
            snprintf(part, sizeof part, "%.*s", next ? (int)(next - p) : (int)strlen(p), p);
            troff(f, part);
            fputs(next ? "\n.PP\n" : "\n", f);
            p = next ? next + 2 : p + strlen(p);
        }
    }
    if (alone && c->options) fputs(".SH OPTIONS\n", f);
    man_options(f, c->options);
}

static void man_ends(FILE *f)
{
    fputs(".SH EXIT STATUS\n", f);
    for (int i = 0; i < EXIT_CODES; i++) {
        fprintf(f, ".TP\n.B %d\n", exit_codes[i].code);
        troff(f, exit_codes[i].meaning);
        fputs(".\n", f);
    }
    fputs(".SH ENVIRONMENT\n", f);
    for (int i = 0; i < VARIABLES; i++) {
        fprintf(f, ".TP\n.B %s\n", variables[i].name);
        troff(f, variables[i].meaning);
        fputs(".\n", f);
    }
}

void cli_man(FILE *f)
{
    man_title(f, "peftgrid");
    fputs(".SH NAME\npeftgrid \\- ", f);
    troff(f, about);
    fputs("\n.SH SYNOPSIS\n.B peftgrid\n.I COMMAND\n[arguments]\n.SH COMMANDS\n", f);
    for (const struct command *const *c = command_table; *c; c++) {
        fputs(".SS ", f);
        troff(f, (*c)->name);
        fputc('\n', f);
        man_body(f, *c, 0);
    }
    man_ends(f);
}

void cli_command_man(FILE *f, const struct command *c)
{
    char title[64];
    snprintf(title, sizeof title, "peftgrid-%s", c->name);
    man_title(f, title);
    fputs(".SH NAME\n", f);
    troff(f, title);
    fputs(" \\- ", f);
    troff(f, c->summary);
    fputs("\n.SH SYNOPSIS\n", f);
    man_body(f, c, 1);
    man_ends(f);
}
