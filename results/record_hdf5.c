#include "results/record_hdf5.h"

struct hdf5_quiet hdf5_quiet_begin(void)
{
    struct hdf5_quiet q = {NULL, NULL};
    H5open();
    H5Eget_auto2(H5E_DEFAULT, &q.fn, &q.data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return q;
}

void hdf5_quiet_end(struct hdf5_quiet q)
{
    H5Eset_auto2(H5E_DEFAULT, q.fn, q.data);
}

static herr_t innermost(unsigned n, const H5E_error2_t *e, void *reason)
{
    if (n == 0 && e->desc) snprintf(reason, 256, "%s", e->desc);
    return 0;
}

status hdf5_fail(status st, const char *file, const char *what, const char *path)
{
    char reason[256] = "no reason given";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, reason);
    return fail(st, "%s: %s %s (HDF5: %s)", file, what, path, reason);
}

hid_t hdf5_string_type(size_t size)
{
    hid_t t = H5Tcopy(H5T_C_S1);
    H5Tset_size(t, size ? size : 1);
    H5Tset_strpad(t, H5T_STR_NULLPAD);
    H5Tset_cset(t, H5T_CSET_UTF8);
    return t;
}

hid_t hdf5_memory_access(void)
{
    hid_t p = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fapl_core(p, 1 << 16, 0);
    H5Pset_libver_bounds(p, H5F_LIBVER_V110, H5F_LIBVER_V110);
    H5Pset_fclose_degree(p, H5F_CLOSE_STRONG);
    return p;
}

void record_library_version(char *buf, size_t n)
{
    unsigned major = 0, minor = 0, release = 0;
    H5get_libversion(&major, &minor, &release);
    snprintf(buf, n, "%u.%u.%u", major, minor, release);
}
