#include "bench/subjects.h"

#include <math.h>
#include <string.h>
#include "bench/evaluate.h"
#include "bench/history.h"

/* ---- scores ---- */

/* Pooled standard error of the subjects for which keep[] holds. */
static double pooled(const struct subject_scores *s, const bool keep[MMLU_SUBJECTS])
{
    double sum = 0, all = 0, subjects = 0;
    for (int i = 0; i < MMLU_SUBJECTS; i++) {
        double n = s->questions[i];
        if (!keep[i] || n == 0) continue;
        if (n > 1) sum += (n - 1) * n * s->error[i] * s->error[i];
        all += n;
        subjects++;
    }
    return all > subjects ? sqrt(sum / (all - subjects) / all) : NAN;
}

static double share(const struct subject_scores *s, const bool keep[MMLU_SUBJECTS])
{
    double right = 0, all = 0;
    for (int i = 0; i < MMLU_SUBJECTS; i++) {
        if (!keep[i]) continue;
        right += s->right[i];
        all += s->questions[i];
    }
    return all > 0 ? right / all : NAN;
}

static void average(enum mmlu_protocol protocol, struct subject_scores *s)
{
    bool keep[MMLU_SUBJECTS];
    double sum = 0, squares = 0, subjects = 0;
    for (int c = 0; c < MMLU_CATEGORIES; c++) {
        for (int i = 0; i < MMLU_SUBJECTS; i++) keep[i] = mmlu_category(protocol, i) == c;
        s->category[c] = share(s, keep);
        s->category_error[c] = pooled(s, keep);
    }
    for (int i = 0; i < MMLU_SUBJECTS; i++) {
        keep[i] = true;
        if (s->questions[i] == 0) continue;
        sum += s->accuracy[i];
        squares += s->error[i] * s->error[i];
        subjects++;
    }
    s->micro = share(s, keep);
    s->micro_error = pooled(s, keep);
    s->macro = subjects > 0 ? sum / subjects : NAN;
    s->macro_error = subjects > 0 ? sqrt(squares) / subjects : NAN;
}

void subjects_score(enum mmlu_protocol protocol, const float *choice, const float *label, const int *subject, int n,
                    struct subject_scores *s)
{
    *s = (struct subject_scores){0};
    for (int i = 0; i < n; i++) {
        s->questions[subject[i]]++;
        s->right[subject[i]] += choice[i] == label[i];
    }
    for (int i = 0; i < MMLU_SUBJECTS; i++) {
        double k = s->questions[i], p = s->right[i] / k; /* no questions: NaN */
        s->accuracy[i] = p;
        s->error[i] = k > 1 ? sqrt(p * (1 - p) / (k - 1)) : NAN;
    }
    average(protocol, s);
}

/* ---- recording ---- */

struct entry { /* one array of a set */
    const char *pattern;
    const double *value;
    size_t n;
};

static status put_scores(struct record *r, const char *when, const char *set, const char *variant,
                         const struct subject_scores *s)
{
    const double averages[] = {s->macro, s->micro}, errors[] = {s->macro_error, s->micro_error};
    const struct entry entry[] = {{"subjects/{}/{}/%s_accuracy", s->accuracy, MMLU_SUBJECTS},
                                  {"subjects/{}/{}/%s_error", s->error, MMLU_SUBJECTS},
                                  {"subjects/{}/{}/%s_categories", s->category, MMLU_CATEGORIES},
                                  {"subjects/{}/{}/%s_categories_error", s->category_error, MMLU_CATEGORIES},
                                  {"subjects/{}/{}/%s_averages", averages, 2},
                                  {"subjects/{}/{}/%s_averages_error", errors, 2}};
    for (size_t i = 0; i < sizeof entry / sizeof entry[0]; i++) {
        char pattern[RECORD_PATH], path[RECORD_PATH];
        const char *hole = strstr(entry[i].pattern, "%s");
        snprintf(pattern, sizeof pattern, "%.*s%s%s", (int)(hole - entry[i].pattern), entry[i].pattern, when, hole + 2);
        TRY(record_path(path, pattern, set, variant));
        TRY(record_reals(r, path, entry[i].value, 1, &entry[i].n));
    }
    return ST_OK;
}

static status put_names(struct record *r, const struct cell_set *set, const struct subject_scores *s)
{
    static const char *const average_name[] = {"macro", "micro"};
    const char *name[MMLU_SUBJECTS];
    int64_t questions[MMLU_SUBJECTS], category[MMLU_SUBJECTS], *subject;
    const size_t subjects = MMLU_SUBJECTS, n = (size_t)set->tokens.n;
    char path[RECORD_PATH];
    struct arena *arena = arena_new("subjects");
    if (!arena) return ST_MEMORY;
    for (int i = 0; i < MMLU_SUBJECTS; i++) {
        name[i] = mmlu_subject_table[i].name;
        questions[i] = s->questions[i];
        category[i] = mmlu_category(mmlu_of(set->task)->protocol, i);
    }
    status st = record_strings(r, "subjects/names", name, subjects);
    if (st == ST_OK) st = record_strings(r, "subjects/categories", mmlu_category_name, MMLU_CATEGORIES);
    if (st == ST_OK) st = record_strings(r, "subjects/averages", average_name, 2);
    if (st == ST_OK) st = record_path(path, "subjects/{}/questions", set->name, NULL);
    if (st == ST_OK) st = record_ints(r, path, questions, 1, &subjects);
    if (st == ST_OK) st = record_path(path, "subjects/{}/category", set->name, NULL);
    if (st == ST_OK) st = record_ints(r, path, category, 1, &subjects);
    subject = arena_alloc(arena, sizeof *subject * (n + 1));
    if (!subject) st = ST_MEMORY;
    for (size_t i = 0; i < n && st == ST_OK; i++) subject[i] = set->tokens.rows.group[i];
    if (st == ST_OK) st = record_path(path, "subjects/{}/subject", set->name, NULL);
    if (st == ST_OK) st = record_ints(r, path, subject, 1, &n);
    arena_free(arena);
    return st;
}

status subjects_record(const struct history *h, int dev, int variant, struct record *r)
{
    const struct cell_set *set = &h->data->dev[dev];
    const struct track *t = &h->track[variant * h->data->devs + dev];
    struct subject_scores s;
    float *choice;
    struct arena_mark mark = arena_mark(h->arena);
    NEW(choice, h->arena, set->tokens.n + 1);
    for (int best = 0; best < 2; best++) {
        score_predictions(set->task, best ? t->best : t->last, set->tokens.n, choice);
        subjects_score(mmlu_of(set->task)->protocol, choice, set->tokens.label, set->tokens.rows.group, set->tokens.n,
                       &s);
        TRY(put_scores(r, best ? "best" : "last", set->name, h->variant[variant].name, &s));
    }
    TRY(put_names(r, set, &s));
    arena_reset(h->arena, mark);
    return ST_OK;
}

/* ---- printing ---- */

static const struct record_item *find(const struct record *r, const char *pattern, const char *set, const char *variant)
{
    char path[RECORD_PATH];
    if (record_path(path, pattern, set, variant) != ST_OK) return NULL;
    return record_get(r, path);
}

static void print_score(FILE *out, const char *name, const char *category, long long questions, double score,
                        double error)
{
    fprintf(out, "%-38s %-16s", name, category);
    if (questions >= 0)
        fprintf(out, " %9lld", questions);
    else
        fprintf(out, " %9s", "");
    fprintf(out, "  %6.2f", 100 * score);
    if (isnan(error))
        fputs("\n", out);
    else
        fprintf(out, " +- %.2f\n", 100 * error);
}

status subjects_print(FILE *out, const struct record *r, const char *set, const char *variant)
{
    const struct record_item *names = record_get(r, "subjects/names"),
                             *categories = record_get(r, "subjects/categories"),
                             *questions = find(r, "subjects/{}/questions", set, NULL),
                             *category = find(r, "subjects/{}/category", set, NULL),
                             *accuracy = find(r, "subjects/{}/{}/last_accuracy", set, variant),
                             *error = find(r, "subjects/{}/{}/last_error", set, variant),
                             *by_category = find(r, "subjects/{}/{}/last_categories", set, variant),
                             *category_error = find(r, "subjects/{}/{}/last_categories_error", set, variant),
                             *averages = find(r, "subjects/{}/{}/last_averages", set, variant),
                             *averages_error = find(r, "subjects/{}/{}/last_averages_error", set, variant);
    FAIL_IF(!names || !categories || !questions || !category || !accuracy || !error || !by_category ||
                !category_error || !averages || !averages_error,
            ST_INPUT, "the record has no scores by subject for the set %s", set);
    fprintf(out, "%-38s %-16s %9s  %6s\n", "subject", "category", "questions", "%");
    long long all = 0, in_category[MMLU_CATEGORIES] = {0};
    for (size_t i = 0; i < names->n; i++) {
        if (questions->v.i[i] == 0) continue;
        all += questions->v.i[i];
        in_category[category->v.i[i]] += questions->v.i[i];
        print_score(out, names->v.ss[i], categories->v.ss[category->v.i[i]], questions->v.i[i], accuracy->v.d[i],
                    error->v.d[i]);
    }
    for (size_t c = 0; c < categories->n; c++)
        if (in_category[c])
            print_score(out, categories->v.ss[c], "", in_category[c], by_category->v.d[c], category_error->v.d[c]);
    print_score(out, "macro (mean of subjects)", "", all, averages->v.d[0], averages_error->v.d[0]);
    print_score(out, "micro (all questions)", "", all, averages->v.d[1], averages_error->v.d[1]);
    return ST_OK;
}
