/* Predictions of test sets in the form GLUE's server takes: "index<TAB>prediction", one line a row. */
#include <math.h>
#include "core/file.h"
#include "core/text.h"
#include "datasets/dataset.h"

/* A regression value is clipped to the task's range and given three decimals; a class is given by its name. */
static status put_prediction(const struct task *task, const char *id, float value, struct text *out)
{
    FAIL_IF(isnan(value), ST_INPUT, "the prediction of row %s is not a number", id);
    if (task->labels == 1) {
        double x = value;
        if (task->lo < task->hi) x = x < task->lo ? task->lo : x > task->hi ? task->hi : x;
        return text_printf(out, "%s\t%.3f\n", id, x);
    }
    int label = value >= 0 && value < (float)task->labels ? (int)value : -1;
    FAIL_IF(label < 0 || (float)label != value, ST_INTERNAL,
            "the prediction of row %s is %g, expected a class from 0 to %d", id, (double)value, task->labels - 1);
    return text_printf(out, "%s\t%s\n", id, task->label_name[label]);
}

static status put_all(const struct task *task, const struct rows *rows, const float *value, struct text *out)
{
    TRY(text_put(out, "index\tprediction\n"));
    for (int i = 0; i < rows->n; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        TRY(put_prediction(task, rows->row_id ? rows->row_id[i] : number, value[i], out));
    }
    return ST_OK;
}

status submission_write(const struct task *task, const struct task_set *set, const struct rows *rows,
                        const float *value, const char *path)
{
    struct text out = {0};
    status st = put_all(task, rows, value, &out);
    if (st != ST_OK) st = fail_in(st, "%s (%s set of task %s)", path, set->name, task->name);
    if (st == ST_OK) st = file_write_atomic(path, out.s, out.n);
    text_free(&out);
    return st;
}
