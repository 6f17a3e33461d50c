/* A language model small enough for tests: a Llama folder with random weights, a tokenizer of single bytes and of " A",
 * " B", " C", " D", "he", and one token for begin and end. Data for it: two subjects of MMLU. */
#ifndef PG_TESTS_TINY_LM_H
#define PG_TESTS_TINY_LM_H

enum { TINY_LM_BYTES = 256, TINY_LM_END = 261, TINY_LM_VOCAB = 262 };

/* Folder with vocab.json, merges.txt and config.json; made on first use, removed when the process ends. */
const char *tiny_lm_tokenizer(void);

/* The same with model.safetensors: a model that computes. */
const char *tiny_lm_model(void);

/* A data root with mmlu/{dev,val,test} of anatomy (3 test questions) and virology (4): short questions, one with a
 * quoted line end and doubled quotes. */
const char *tiny_mmlu(void);

#endif
