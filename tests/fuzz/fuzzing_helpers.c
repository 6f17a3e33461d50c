/* Whose fault a helper process died of. A helper that opens records may die of HDF5's faults over a forged file, and
 * the file is then refused; a fault of our own in it would pass for one. Under AddressSanitizer helpers write their
 * reports into files, and the innermost function that is not the sanitizer's tells. Other builds have no reports. */
#include "tests/pgtest.h"

#include "tests/fuzz/fuzzing.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_REPORTS 1
#elif defined(__has_feature) /* clang */
#if __has_feature(address_sanitizer)
#define HAS_REPORTS 1
#endif
#endif

#ifdef HAS_REPORTS
#include <dlfcn.h>
#include <pthread.h>
#include <sanitizer/common_interface_defs.h>
#include <stdint.h>
#include "core/file.h"

static const char *folder; /* of the reports */

static void nothing(void)
{
}

/* In every process that an input starts. Without the callback libFuzzer would keep the input as a finding. */
static void in_child(void)
{
    char path[4300];
    snprintf(path, sizeof path, "%s/report", folder);
    __sanitizer_set_report_path(path);
    __sanitizer_set_death_callback(nothing);
}

/* Where a function lies. Those that the program exports are the sanitizer's, in the places of the C library's. */
enum place { OURS, SANITIZER, LIBRARY };
static enum place place_of(uintptr_t pc)
{
    Dl_info program, at;
    uintptr_t ours = (uintptr_t)in_child;
    if (!dladdr((void *)ours, &program) || !dladdr((void *)pc, &at)) return LIBRARY;
    if (at.dli_fbase != program.dli_fbase) return strstr(at.dli_fname, "san.so") ? SANITIZER : LIBRARY;
    return at.dli_sname ? SANITIZER : OURS;
}

/* A fault of ours: undefined behaviour, which only our code is watched for, or one that did not begin in a library. */
static bool is_ours(const char *report)
{
    if (strstr(report, ": runtime error: ")) return true;
    if (!strstr(report, "ERROR: AddressSanitizer")) return false;
    for (const char *frame = report; (frame = strstr(frame, "\n    #")); frame++) {
        const char *pc = strstr(frame, " 0x");
        enum place place = pc ? place_of((uintptr_t)strtoull(pc, NULL, 16) - 1) : LIBRARY;
        if (place != SANITIZER) return place == OURS;
    }
    return true;
}

void fuzz_watch_helpers(void)
{
    static char path[4200];
    if (folder) return;
    snprintf(path, sizeof path, "%s", temp_dir());
    folder = path;
    if (pthread_atfork(NULL, NULL, in_child) != 0) abort();
}

void fuzz_expect_no_fault_in_helpers(struct arena *a)
{
    char **name, *text;
    size_t size;
    int n;
    if (file_list(folder, NULL, a, &name, &n) != ST_OK) abort();
    for (int i = 0; i < n; i++) {
        const char *path = path_join(a, folder, name[i]);
        if (file_read(path, 1 << 24, a, &text, &size) != ST_OK) abort();
        unlink(path);
        bool ours = is_ours(text);
        if (ours) fprintf(stderr, "%s\n", text);
        fuzz_expect(!ours, "the process that opens records died of a fault of our own");
    }
}
#else
void fuzz_watch_helpers(void)
{
}
void fuzz_expect_no_fault_in_helpers(struct arena *a)
{
    (void)a;
}
#endif
