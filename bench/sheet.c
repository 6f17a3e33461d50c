/* Printing sheets (see sheet.h). Text widths count characters, not bytes: headings and names may be UTF-8. */
#include "bench/sheet.h"

#include <stdarg.h>
#include <string.h>

#define PLUS_MINUS "\xc2\xb1"

status sheet_make(struct arena *a, const char *title, int cols, struct sheet **out)
{
    struct sheet *s;
    ZNEW(s, a, 1);
    s->arena = a;
    s->title = title;
    s->cols = cols;
    ZNEW(s->col, a, cols);
    ZNEW(s->width, a, cols);
    *out = s;
    return ST_OK;
}

struct sheet_cell *sheet_row(struct sheet *s)
{
    if (s->rows == s->cap) {
        int cap = s->cap ? 2 * s->cap : 16;
        struct sheet_cell *more = arena_zalloc(s->arena, sizeof *more * (size_t)cap * (size_t)s->cols);
        if (!more) return NULL;
        if (s->rows) memcpy(more, s->cell, sizeof *more * (size_t)s->rows * (size_t)s->cols);
        s->cell = more;
        s->cap = cap;
    }
    return s->cell + (size_t)s->rows++ * (size_t)s->cols;
}

status sheet_note(struct sheet *s, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (s->notes == s->note_cap) {
        const char **more;
        NEW(more, s->arena, 2 * s->note_cap + 8);
        if (s->notes) memcpy(more, s->note, sizeof *more * (size_t)s->notes);
        s->note = more;
        s->note_cap = 2 * s->note_cap + 8;
    }
    return (s->note[s->notes++] = arena_strdup(s->arena, line)) ? ST_OK : ST_MEMORY;
}

static const char *or_empty(const char *s)
{
    return s ? s : "";
}

static const struct sheet_cell *at(const struct sheet *s, int row, int col)
{
    return &s->cell[(size_t)row * (size_t)s->cols + (size_t)col];
}

static int has_sub(const struct sheet *s)
{
    for (int c = 0; c < s->cols; c++)
        if (s->col[c].sub && *s->col[c].sub) return 1;
    return 0;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static int width_of(const char *s)
{
    int n = 0;
    for (s = or_empty(s); *s; s++) n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

/* Blanks are held back until something follows: no line ends in blanks. */
struct line {
    FILE *f;
    int blanks;
};

static void pad(struct line *l, int n)
{
    if (n > 0) l->blanks += n;
}

static void put(struct line *l, const char *s)
{
    if (!s || !*s) return;
    fprintf(l->f, "%*s%s", l->blanks, "", s);
    l->blanks = 0;
}

static void end_line(struct line *l)
{
    fputc('\n', l->f);
    l->blanks = 0;
}

static void widen(int *width, int n)
{
    if (n > *width) *width = n;
}

static struct sheet_width measure(const struct sheet *s, int col)
{
    struct sheet_width w = {0, 0, 0, 0};
    for (int r = 0; r < s->rows; r++) {
        const struct sheet_cell *c = at(s, r, col);
        widen(&w.main, width_of(c->main) + (c->bold != 0));
        if (c->spread) widen(&w.spread, 2 + width_of(c->spread)); /* " ±" */
        if (c->tail) widen(&w.tail, 1 + width_of(c->tail));
    }
    w.all = w.main + w.spread + w.tail;
    widen(&w.all, width_of(s->col[col].head));
    widen(&w.all, width_of(s->col[col].sub));
    return w;
}

static void text_name(struct line *l, const char *s, int left, int width)
{
    int gap = width - width_of(s);
    if (!left) pad(l, gap);
    put(l, s);
    if (left) pad(l, gap);
}

/* The parts of a number: right-aligned as a block, so that points stand below each other. */
static void text_cell(struct line *l, const struct sheet_cell *c, struct sheet_width w)
{
    pad(l, w.all - w.spread - w.tail - width_of(c->main) - (c->bold != 0));
    if (c->bold) put(l, "*");
    put(l, c->main);
    if (c->spread) {
        put(l, " " PLUS_MINUS);
        put(l, c->spread);
    }
    pad(l, w.spread - (c->spread ? 2 + width_of(c->spread) : 0));
    if (c->tail) {
        put(l, " ");
        put(l, c->tail);
    }
    pad(l, w.tail - (c->tail ? 1 + width_of(c->tail) : 0));
}

static void text_rule(FILE *f, const struct sheet *s, const struct sheet_width *w)
{
    int n = 2 * (s->cols - 1);
    for (int c = 0; c < s->cols; c++) n += w[c].all;
    for (int i = 0; i < n; i++) fputc('-', f);
    fputc('\n', f);
}

static void text_heading(struct line *l, const struct sheet *s, const struct sheet_width *w, int sub)
{
    for (int c = 0; c < s->cols; c++) {
        if (c) pad(l, 2);
        text_name(l, sub ? s->col[c].sub : s->col[c].head, s->col[c].left, w[c].all);
    }
    end_line(l);
}

static void print_text(FILE *f, const struct sheet *s, const struct sheet_width *w)
{
    struct line l = {f, 0};
    if (*s->title) fprintf(f, "%s\n\n", s->title);
    for (int sub = 0; sub < 1 + has_sub(s); sub++) text_heading(&l, s, w, sub);
    text_rule(f, s, w);
    for (int r = 0; r < s->rows; r++) {
        for (int c = 0; c < s->cols; c++) {
            if (c) pad(&l, 2);
            if (s->col[c].left)
                text_name(&l, at(s, r, c)->main, 1, w[c].all);
            else
                text_cell(&l, at(s, r, c), w[c]);
        }
        end_line(&l);
    }
    if (s->notes) fputc('\n', f);
    for (int i = 0; i < s->notes; i++) fprintf(f, "%s\n", s->note[i]);
}

/* ---- Markdown ---------------------------------------------------------------------------------------------------- */

static void md_put(FILE *f, const char *s)
{
    for (s = or_empty(s); *s; s++) {
        if (strchr("|*_`<\\~", *s)) fputc('\\', f);
        fputc(*s, f);
    }
}

static void print_md(FILE *f, const struct sheet *s)
{
    if (*s->title) fputs("**", f), md_put(f, s->title), fputs("**\n\n", f);
    for (int c = 0; c < s->cols; c++) {
        fputs("| ", f);
        md_put(f, s->col[c].head);
        if (s->col[c].sub && *s->col[c].sub) fputs("<br>", f), md_put(f, s->col[c].sub);
        fputc(' ', f);
    }
    fputs("|\n", f);
    for (int c = 0; c < s->cols; c++) fputs(s->col[c].left ? "|---" : "|--:", f);
    fputs("|\n", f);
    for (int r = 0; r < s->rows; r++) {
        for (int c = 0; c < s->cols; c++) {
            const struct sheet_cell *x = at(s, r, c);
            fputs(x->bold ? "| **" : "| ", f);
            md_put(f, x->main);
            if (x->bold) fputs("**", f);
            if (x->spread) fputs(" " PLUS_MINUS, f), md_put(f, x->spread);
            if (x->tail) fputc(' ', f), md_put(f, x->tail);
            fputc(' ', f);
        }
        fputs("|\n", f);
    }
    if (s->notes) fputc('\n', f);
    for (int i = 0; i < s->notes; i++) fputs("- ", f), md_put(f, s->note[i]), fputc('\n', f);
}

/* ---- LaTeX ------------------------------------------------------------------------------------------------------- */

static void latex_put(FILE *f, const char *s)
{
    for (s = or_empty(s); *s; s++) {
        if (strncmp(s, PLUS_MINUS, 2) == 0)
            fputs("$\\pm$", f), s++;
        else if (strchr("&%$#_{}", *s))
            fprintf(f, "\\%c", *s);
        else if (*s == '\\')
            fputs("\\textbackslash{}", f);
        else if (*s == '~')
            fputs("\\textasciitilde{}", f);
        else if (*s == '^')
            fputs("\\textasciicircum{}", f);
        else if (*s == '<' || *s == '>')
            fprintf(f, "$%c$", *s);
        else
            fputc(*s, f);
    }
}

static void latex_heading(FILE *f, const struct sheet *s, int sub)
{
    for (int c = 0; c < s->cols; c++) {
        if (c) fputs(" & ", f);
        latex_put(f, sub ? s->col[c].sub : s->col[c].head);
    }
    fputs(" \\\\\n", f);
}

static void print_latex(FILE *f, const struct sheet *s)
{
    fputs("% needs \\usepackage{booktabs}\n\\begin{tabular}{", f);
    for (int c = 0; c < s->cols; c++) fputc(s->col[c].left ? 'l' : 'r', f);
    fputs("}\n\\toprule\n", f);
    for (int line = 0; line < 1 + has_sub(s); line++) latex_heading(f, s, line);
    fputs("\\midrule\n", f);
    for (int r = 0; r < s->rows; r++) {
        for (int c = 0; c < s->cols; c++) {
            const struct sheet_cell *x = at(s, r, c);
            if (c) fputs(" & ", f);
            if (x->bold) fputs("\\textbf{", f);
            latex_put(f, x->main);
            if (x->bold) fputc('}', f);
            if (x->spread) fputs(" $\\pm$ ", f), latex_put(f, x->spread);
            if (x->tail) fputc(' ', f), latex_put(f, x->tail);
        }
        fputs(" \\\\\n", f);
    }
    fputs("\\bottomrule\n\\end{tabular}\n", f);
    if (*s->title) fprintf(f, "%% %s\n", s->title);
    for (int i = 0; i < s->notes; i++) fprintf(f, "%% %s\n", s->note[i]);
}

/* ---- CSV (RFC 4180): the main parts only, no notes --------------------------------------------------------------- */

static void csv_put(FILE *f, const char *s, int first)
{
    if (!first) fputc(',', f);
    s = or_empty(s);
    if (!strpbrk(s, ",\"\r\n")) {
        fputs(s, f);
        return;
    }
    fputc('"', f);
    for (; *s; s++) {
        if (*s == '"') fputc('"', f);
        fputc(*s, f);
    }
    fputc('"', f);
}

static void print_csv(FILE *f, const struct sheet *s)
{
    for (int c = 0; c < s->cols; c++) csv_put(f, s->col[c].head, c == 0);
    fputc('\n', f);
    for (int r = 0; r < s->rows; r++) {
        for (int c = 0; c < s->cols; c++) csv_put(f, at(s, r, c)->main, c == 0);
        fputc('\n', f);
    }
}

void sheet_print(FILE *f, const struct sheet *s, enum sheet_format format)
{
    switch (format) {
    case SHEET_TEXT:
        for (int c = 0; c < s->cols; c++) s->width[c] = measure(s, c);
        print_text(f, s, s->width);
        break;
    case SHEET_MD: print_md(f, s); break;
    case SHEET_LATEX: print_latex(f, s); break;
    case SHEET_CSV: print_csv(f, s); break;
    }
}
