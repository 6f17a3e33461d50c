/* How a byte-level BPE tokenizer treats text before merging: normal form, pieces, leading blank. From tokenizer.json
 * where there is one, else what is known of the model's family. */
#ifndef PG_DATASETS_BPE_SETTINGS_H
#define PG_DATASETS_BPE_SETTINGS_H

#include "core/sha256.h"
#include "datasets/bpe_split.h"
#include "datasets/tokenizer_folder.h"
#include "datasets/unicode.h"

struct bpe_settings {
    struct bpe_split split;
    bool normalises;
    enum unicode_form form;
    bool prefix_blank;  /* a section of text that does not begin with a blank gets one */
    bool ignore_merges; /* a piece that is a token as a whole is not merged */
};

/* On failure too, bpe_split_free(&settings->split) gives back what was taken. */
status bpe_settings_read(const struct tokenizer_folder *, struct bpe_settings *, struct sha256 *);

#endif
