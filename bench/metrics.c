/* Metrics (see metrics.h). Where a library's convention decides, it is scikit-learn's (F1 and Matthews are 0 when their
 * denominator is) and scipy's (a correlation with a constant is undefined). */
#include "bench/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CLASSES = 65536 };

/* 1 + the largest class in x, or 0 when a value is no class index. */
static int classes_in(const float *x, int n)
{
    int most = 0;
    for (int i = 0; i < n; i++) {
        if (!(x[i] >= 0 && x[i] < MOST_CLASSES) || x[i] != (float)(int)x[i]) return 0;
        if ((int)x[i] >= most) most = (int)x[i] + 1;
    }
    return most;
}

/* Number of classes of a pair of arrays; 0: the metric is undefined. */
static int classes_of(const float *pred, const float *label, int n)
{
    int p = classes_in(pred, n), l = classes_in(label, n);
    return !p || !l ? 0 : p > l ? p : l;
}

static double accuracy(const float *pred, const float *label, int n, struct metric_room *room)
{
    (void)room;
    if (!classes_of(pred, label, n)) return NAN;
    int right = 0;
    for (int i = 0; i < n; i++) right += pred[i] == label[i];
    return (double)right / n;
}

struct class_counts {
    double pred, label, both; /* examples predicted as, labelled as, and both */
};

static struct class_counts count_class(const float *pred, const float *label, int n, int class)
{
    struct class_counts c = {0, 0, 0};
    for (int i = 0; i < n; i++) {
        int p = pred[i] == (float)class, l = label[i] == (float)class;
        c.pred += p;
        c.label += l;
        c.both += p && l;
    }
    return c;
}

/* 2TP / (2TP + FP + FN); 0 when there is nothing to find and nothing was found. */
static double f1_of(struct class_counts c)
{
    return c.pred + c.label > 0 ? 2 * c.both / (c.pred + c.label) : 0;
}

static double f1(const float *pred, const float *label, int n, struct metric_room *room)
{
    (void)room;
    return classes_of(pred, label, n) ? f1_of(count_class(pred, label, n, 1)) : NAN;
}

static double macro_f1(const float *pred, const float *label, int n, struct metric_room *room)
{
    (void)room;
    int classes = classes_of(pred, label, n), seen = 0;
    double sum = 0;
    for (int k = 0; k < classes; k++) {
        struct class_counts c = count_class(pred, label, n, k);
        if (c.pred + c.label == 0) continue;
        sum += f1_of(c);
        seen++;
    }
    return seen ? sum / seen : NAN;
}

/* Matthews' coefficient for any number of classes (Gorodkin 2004); with two it is the familiar
 * (TP TN - FP FN) / sqrt((TP+FP)(TP+FN)(TN+FP)(TN+FN)). All sums are whole numbers below 2^53: exact. */
static double matthews(const float *pred, const float *label, int n, struct metric_room *room)
{
    (void)room;
    int classes = classes_of(pred, label, n);
    if (!classes) return NAN;
    double right = 0, cross = 0, pp = 0, ll = 0, all = n;
    for (int k = 0; k < classes; k++) {
        struct class_counts c = count_class(pred, label, n, k);
        right += c.both;
        cross += c.pred * c.label;
        pp += c.pred * c.pred;
        ll += c.label * c.label;
    }
    double spread = sqrt(all * all - pp) * sqrt(all * all - ll);
    return spread > 0 ? (right * all - cross) / spread : 0;
}

static int is_constant(const double *x, int n)
{
    for (int i = 1; i < n; i++)
        if (x[i] != x[0]) return 0;
    return 1;
}

static double mean_of(const double *x, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    return sum / n;
}

/* Two passes: with means taken off first, a large common offset costs no digits. */
static double correlation(const double *x, const double *y, int n)
{
    if (n == 0 || is_constant(x, n) || is_constant(y, n)) return NAN;
    double mx = mean_of(x, n), my = mean_of(y, n), xx = 0, yy = 0, xy = 0;
    for (int i = 0; i < n; i++) {
        double a = x[i] - mx, b = y[i] - my;
        xx += a * a;
        yy += b * b;
        xy += a * b;
    }
    double r = xy / (sqrt(xx) * sqrt(yy));
    return r > 1 ? 1 : r < -1 ? -1 : r; /* NaN stays NaN */
}

static int by_value(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return x->value < y->value ? -1 : x->value > y->value ? 1 : x->at - y->at;
}

/* Ranks from 1; equal values share the mean of their ranks. */
static void average_ranks(const double *x, int n, struct ranked *sorted, double *rank)
{
    for (int i = 0; i < n; i++) sorted[i] = (struct ranked){x[i], i};
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    for (int i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && sorted[end].value == sorted[i].value;) end++;
        for (int k = i; k < end; k++) rank[sorted[k].at] = 0.5 * (i + 1 + end);
    }
}

static int any_nan(const float *x, int n)
{
    for (int i = 0; i < n; i++)
        if (isnan(x[i])) return 1;
    return 0;
}

/* The correlation of the values or of their ranks, on copies in double. */
static double correlate(const float *pred, const float *label, int n, struct metric_room *room, int ranks)
{
    if (n <= 0 || any_nan(pred, n) || any_nan(label, n)) return NAN;
    double *x = room->value, *y = x + n, *rx = y + n, *ry = rx + n;
    for (int i = 0; i < n; i++) x[i] = pred[i], y[i] = label[i];
    if (!ranks) return correlation(x, y, n);
    average_ranks(x, n, room->sorted, rx);
    average_ranks(y, n, room->sorted, ry);
    return correlation(rx, ry, n);
}

static double pearson(const float *pred, const float *label, int n, struct metric_room *room)
{
    return correlate(pred, label, n, room, 0);
}

static double spearman(const float *pred, const float *label, int n, struct metric_room *room)
{
    return correlate(pred, label, n, room, 1);
}

status metric_room(int n, struct arena *arena, struct metric_room *room)
{
    NEW(room->value, arena, 4 * (size_t)n + 1);
    NEW(room->sorted, arena, n + 1);
    return ST_OK;
}

static double mse(const float *pred, const float *label, int n, struct metric_room *room)
{
    (void)room;
    if (n <= 0) return NAN;
    double sum = 0;
    for (int i = 0; i < n; i++) {
        double d = (double)pred[i] - (double)label[i];
        sum += d * d;
    }
    return sum / n;
}

/* Losses in nats of the target tokens of each sequence, and their numbers. */
static double perplexity(const float *loss, const float *targets, int n, struct metric_room *room)
{
    (void)room;
    double sum = 0, count = 0;
    for (int i = 0; i < n; i++) {
        sum += (double)loss[i];
        count += (double)targets[i];
    }
    return count > 0 ? exp(sum / count) : NAN;
}

/* The mean over the groups that occur. */
static double macro_accuracy(const float *pred, const float *label, const int *group, int n)
{
    int groups = 0, seen = 0;
    double sum = 0;
    if (n <= 0 || !classes_of(pred, label, n)) return NAN;
    for (int i = 0; i < n; i++) groups = group[i] >= groups ? group[i] + 1 : groups;
    for (int g = 0; g < groups; g++) {
        int right = 0, all = 0;
        for (int i = 0; i < n; i++) {
            all += group[i] == g;
            right += group[i] == g && pred[i] == label[i];
        }
        if (!all) continue;
        sum += (double)right / all;
        seen++;
    }
    return sum / seen;
}

const struct metric metric_table[] = {
    {"accuracy", "share of examples with the right class", METRIC_CLASSES, 1, accuracy, NULL},
    {"f1", "F1 of class 1", METRIC_CLASSES, 1, f1, NULL},
    {"macro_f1", "mean of the F1 of every class that occurs", METRIC_CLASSES, 1, macro_f1, NULL},
    {"matthews", "Matthews correlation coefficient, any number of classes", METRIC_CLASSES, 1, matthews, NULL},
    {"pearson", "Pearson correlation", METRIC_VALUES, 1, pearson, NULL},
    {"spearman", "Spearman correlation (average ranks for ties)", METRIC_VALUES, 1, spearman, NULL},
    {"mse", "mean squared error", METRIC_VALUES, 0, mse, NULL},
    {"macro_accuracy", "mean of the accuracies of the subjects", METRIC_CHOICE, 1, NULL, macro_accuracy},
    {"perplexity", "exp of the mean loss of a target token", METRIC_LANGUAGE, 0, perplexity, NULL},
    {"bleu", "BLEU as the E2E challenge measures it, 0 to 1", METRIC_TEXT, 1, NULL, NULL},
    {"nist", "NIST as the E2E challenge measures it", METRIC_TEXT, 1, NULL, NULL},
    {NULL, NULL, METRIC_CLASSES, 0, NULL, NULL},
};

const struct metric *metric_find(const char *name)
{
    for (const struct metric *m = metric_table; m->name; m++)
        if (strcmp(m->name, name) == 0) return m;
    return NULL;
}

void accuracy_by_subject(const long *correct, const long *total, int subjects, double *macro, double *micro)
{
    double sum = 0, right = 0, all = 0;
    for (int i = 0; i < subjects; i++) {
        sum += (double)correct[i] / (double)total[i]; /* 0 questions: 0/0 = NaN spreads */
        right += (double)correct[i];
        all += (double)total[i];
    }
    *macro = subjects > 0 ? sum / subjects : NAN;
    *micro = all > 0 ? right / all : NAN;
}
