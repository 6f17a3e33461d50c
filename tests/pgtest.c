#include "tests/pgtest.h"

#include <ftw.h>

const char *shared_path(const char *rest)
{
    static char path[4096];
    const char *root = getenv("PEFTGRID_SHARED");
    snprintf(path, sizeof path, "%s/%s", root ? root : "../shared", rest);
    return path;
}

int skip_without(const char *test, const char *path)
{
    if (access(path, R_OK) == 0) return 0;
    int n = (int)strlen(test); /* Check names the function after the test with "_fn" behind it */
    if (n > 3 && strcmp(test + n - 3, "_fn") == 0) n -= 3;
    printf("SKIP %.*s: %s is not here\n", n, test, path);
    fflush(stdout);
    return 1;
}

static char root[4096]; /* of this process: holds all its folders, removed whole */

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static void temp_remove(void)
{
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *temp_dir(void)
{
    static char temp[4200];
    const char *base = getenv("TMPDIR");
    if (!root[0]) {
        snprintf(root, sizeof root, "%s/peftgrid-test-XXXXXX", base ? base : "/tmp");
        ck_assert_ptr_nonnull(mkdtemp(root));
        atexit(temp_remove);
    }
    snprintf(temp, sizeof temp, "%s/XXXXXX", root);
    ck_assert_ptr_nonnull(mkdtemp(temp));
    return temp;
}
