/* config.json of a Hugging Face folder, old flat and new nested keys, as one struct for all families. */
#ifndef PG_MODELS_CONFIG_H
#define PG_MODELS_CONFIG_H

#include <stdbool.h>
#include "core/arena.h"
#include "core/ops.h"
#include "core/status.h"

enum family { FAMILY_DEBERTA_V2, FAMILY_BERT, FAMILY_ROBERTA, FAMILY_PHI, FAMILY_QWEN2, FAMILY_LLAMA };
bool family_is_decoder(enum family);
const char *family_name(enum family); /* the model_type: "deberta-v2", "bert", ... */

/* How rotary frequencies are stretched for long contexts: not, divided by a factor, or by wave length as in Llama 3. */
enum rope_scaling { ROPE_PLAIN, ROPE_LINEAR, ROPE_LLAMA3 };

struct model_config {
    enum family family;
    int vocab, hidden, layers, heads, ffn, max_positions, type_vocab, pad_id;
    enum activation act;
    double norm_eps, hidden_dropout, attn_dropout, init_range;
    double cls_dropout; /* before the classifier; key absent or null: hidden_dropout, as in Hugging Face */
    /* DeBERTa (METHODS 1.1) */
    bool relative, share_att_key, c2p, p2c, norm_rel, position_biased_input;
    int position_buckets;       /* 0: no log buckets */
    int max_relative;           /* max_relative already replaced by max_positions when < 1 */
    enum activation pooler_act; /* BERT, RoBERTa: tanh */
    double pooler_dropout;      /* before the pooler's dense layer; RoBERTa: its classifier_dropout */
    int num_labels;             /* 0: the file does not say */
    /* Decoders (METHODS 2); encoders: kv_heads = heads, the rest unset */
    int kv_heads, head_dim;
    double rope_theta, rotary_part; /* part of a head's dimensions that is rotated: 1 = all */
    enum rope_scaling rope_scaling;
    double rope_factor, rope_low, rope_high, rope_original; /* of the scaling; low, high, original: ROPE_LLAMA3 only */
    double embed_dropout;                                   /* behind the embedding */
    bool qkv_bias, attn_out_bias, ffn_bias, head_bias;      /* which linear layers have one */
    bool tied;                                              /* output layer = word embedding */
    bool early_phi;                                         /* tensors are named as in early_phi.h */
};

/* dir/config.json. Errors name the file, the key and what was expected; an unknown model_type lists the supported ones.
 * A key that is absent or null has Hugging Face's default of that family; a form of the network that this program does
 * not compute (a convolution after the first layer, other position types, other scalings of rotary angles) is
 * ST_UNSUPPORTED. model_type "phi-msft" is Phi's first release, with its own names of keys and tensors. */
status config_read(const char *dir, struct arena *, struct model_config *);
/* The same from text in memory; name stands for the path in messages. */
status config_parse(const char *name, const char *text, size_t size, struct model_config *);

#endif
