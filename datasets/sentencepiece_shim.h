/* The SentencePiece library (C++) behind plain C functions. No C++ exception leaves them: it becomes a failure with a
 * reason. The library trusts its model file; spm_check.h looks at the bytes first. */
#ifndef PG_DATASETS_SENTENCEPIECE_SHIM_H
#define PG_DATASETS_SENTENCEPIECE_SHIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct spm;

/* From the bytes of a model file; NULL on failure, with the reason in why. */
struct spm *spm_open(const void *model, size_t n, char *why, size_t why_size);
void spm_close(struct spm *);

int spm_size(const struct spm *);                    /* pieces */
int spm_find(const struct spm *, const char *piece); /* its id, or -1 */
int spm_unk(const struct spm *), spm_bos(const struct spm *), spm_eos(const struct spm *), spm_pad(const struct spm *);

/* The ids of n bytes of text, any bytes; the array belongs to spm until its next call. 0, or -1 with the reason. */
int spm_encode(struct spm *, const char *text, size_t n, const int **ids, size_t *count, char *why, size_t why_size);

/* The text of n ids, without control pieces; it belongs to spm until its next call. 0, or -1 with the reason. */
int spm_decode(struct spm *, const int *ids, size_t n, const char **text, size_t *size, char *why, size_t why_size);

#ifdef __cplusplus
}
#endif

#endif
