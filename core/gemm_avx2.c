#include <math.h>
#include <string.h>
#include "core/gemm.h"
enum { NB = 64, KB = 256 };
void gemm_tile_avx2(int m, int n, int k, struct gemm_in a, struct gemm_in b, real *c, int ldc, bool accumulate, int j0);
#ifdef PG_DOUBLE
#define FMA fma
#else
#define FMA fmaf
#endif
static _Thread_local real pack[KB][NB], raw[NB * KB];
void gemm_tile_avx2(int m, int n, int k, struct gemm_in a, struct gemm_in b, real *c, int ldc, bool accumulate, int j0)
{
    int nb = n - j0 < NB ? n - j0 : NB;
    memset(pack, 0, sizeof pack);
    for (int k0 = 0; k0 < k || k0 == 0; k0 += KB) {
        int kb = k - k0 < KB ? k - k0 : KB;
        const real *p = b.trans ? b.p + (size_t)j0 * (size_t)b.ld + k0 : b.p + (size_t)k0 * (size_t)b.ld + j0;
        int ld = b.ld;
        if (b.w) {
            p = raw;
            ld = b.trans ? KB : NB;
            if (b.trans)
                b.w->tile(b.w, j0, nb, k0, kb, raw, ld);
            else
                b.w->tile(b.w, k0, kb, j0, nb, raw, ld);
        }
        for (int l = 0; l < kb; l++)
            for (int j = 0; j < nb; j++)
                pack[l][j] = b.trans ? p[(size_t)j * (size_t)ld + l] : p[(size_t)l * (size_t)ld + j];
        for (int i = 0; i < m; i++) {
            real acc[NB] = {0};
            real *out = c + (size_t)i * (size_t)ldc + j0;
            if (accumulate || k0) memcpy(acc, out, sizeof(real) * (size_t)nb);
            for (int l = 0; l < kb; l++) {
                real av = a.trans ? a.p[(size_t)(k0 + l) * (size_t)a.ld + i] : a.p[(size_t)i * (size_t)a.ld + k0 + l];
                for (int j = 0; j < NB; j++) acc[j] = FMA(av, pack[l][j], acc[j]);
            }
            memcpy(out, acc, sizeof(real) * (size_t)nb);
        }
    }
}
