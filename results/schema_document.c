/* docs/RESULTS_SCHEMA.md from the schema table: what is stored where, and how to check a file without this program. */
#include "results/record.h"

#include <string.h>

static const char *const intro =
    "# The record of a run\n\n"
    "Made from the table in `results/schema.c` by `build/release/tools/results-schema > docs/RESULTS_SCHEMA.md`; a "
    "test "
    "compares the two.\n\n"
    "One HDF5 file a run, `<runs>/<experiment>/<id>.h5`, of plain types only: scalars are attributes of their group, "
    "arrays are\n"
    "datasets (shuffle, gzip and fletcher32 filters). `peftgrid inspect FILE` prints it; so do `h5dump FILE` and, with "
    "h5py and numpy\n"
    "alone, `tools/read_record.py FILE`.\n\n"
    "A path with `{}` exists once for every name the run brings along: an evaluation set (`dev`, `dev_matched`), a "
    "variant\n"
    "(`rank=4`; `" RECORD_MAIN
    "` when a run has one only), an option. Where a path has two, the first is the set, the second the variant.\n\n"
    "Needed: `always` also for runs that failed or diverged; `result` for runs whose `run/status` is `ok`; empty: may "
    "lack.\n\n";

static const char *const form =
    "## The file\n\n"
    "- Bytes 0 to 511 are the seal, text that HDF5 skips as its user block: the lines `peftgrid record 1`, `bytes N`,\n"
    "  `sha256 H`, `content C`, `id I`, filled up with blanks and a final newline. N and H are the number and the "
    "SHA-256 of all bytes that\n"
    "  follow. A reader that trusts nothing compares them before it parses anything.\n"
    "- The rest is HDF5 (format of library version 1.10: its metadata carry checksums too) without any time in it: "
    "equal records are equal\n"
    "  files.\n"
    "- int64 and float64 are little-endian; strings are UTF-8 of fixed length, filled up with NUL. A string of more "
    "than 32768 bytes is a\n"
    "  scalar dataset instead of an attribute.\n"
    "- The root has the attributes `format` (\"peftgrid record 1\") and `content_hash`.\n\n"
    "## The content hash\n\n"
    "SHA-256 over all items except those below `environment/`, in byte order of their paths. Each item gives: its "
    "path; one letter\n"
    "`s` (string), `i` (int64) or `r` (float64); one digit, the number of dimensions (`0`: scalar); each dimension; "
    "each value in row\n"
    "order. Numbers of 8 bytes, little-endian; a NaN is always 0x7ff8000000000000; the path and every string as its "
    "length in bytes\n"
    "(8 bytes) and the bytes. Two runs with the same content hash gave the same results, whatever machine and time "
    "they took.\n\n"
    "## A merged file\n\n"
    "`peftgrid merge OUT.h5 FOLDER...` puts many records into one file of the same form; its seal and its attribute "
    "`format` say\n"
    "`peftgrid records 1`, and it holds the group `merged` only. A row of `merged/index` is one item of one record; "
    "the values are\n"
    "those of its path's type from its place on, as many as the product of its dimensions. Rows are sorted by path "
    "and record, so\n"
    "the values of one path lie together. `merged/hashes` are over all items stored here.\n\n"
    "Unless `--full` is given records are slim: the paths that `slim/left_out` names (curves of every step, "
    "predictions, the host)\n"
    "are left out, `slim/content_hash` keeps the content hash of the whole record, and the rest of the group `slim` "
    "is what\n"
    "tables need of the predictions.\n";

static const char *need_name(enum item_need need)
{
    return need == NEED_ALWAYS ? "always" : need == NEED_RESULT ? "result" : "";
}

void schema_document(FILE *f)
{
    fputs(intro, f);
    const char *group = "";
    size_t n = 0;
    for (const struct schema_item *s = schema_table; s->path; s++) {
        size_t len = strcspn(s->path, "/");
        if (len != n || memcmp(group, s->path, n) != 0) {
            group = s->path;
            n = len;
            fprintf(f, "## %.*s\n\n| path | type | dimensions | unit | needed | what |\n|---|---|---|---|---|---|\n",
                    (int)n, group);
        }
        fprintf(f, "| `%s` | %s | %s | %s | %s | %s |\n", s->path, item_type_name(s->type), s->dims, s->unit,
                need_name(s->required), s->help);
        const char *next = s[1].path;
        if (!next || strncmp(next, group, n) != 0 || next[n] != '/') fputc('\n', f);
    }
    fputs(form, f);
}
