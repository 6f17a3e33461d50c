/* Language-model tasks: text to continue. Rows are a prompt and a completion; the loss is on the completion's tokens
 * and the end token, never on the prompt.
 *
 *   style       prompt                         completion            read from
 *   completion  template, columns in {braces}  template              csv, tsv, jsonl
 *   alpaca      instruction and input in the   output                jsonl (csv): instruction, input, output
 *               Alpaca frame (QLoRA's form)
 *   guanaco     ""                             text; turns =         jsonl: text ("### Human: ...### Assistant: ...")
 *                                              assistant: only the
 *                                              assistant's words
 *   text        ""                             the whole file        plain text (WikiText)
 *
 * A sequence is [begin] prompt completion [end]: the begin token where the tokenizer has one (bos = auto), the end
 * token unless end = no. Prompt and completion are tokenised apart, as QLoRA does; a separator between them (a space
 * unless told otherwise) belongs to the completion. Prompt and completion may have limits of their own (max_prompt,
 * max_completion: QLoRA's source_max_len with the begin token, target_max_len with the end token); then the whole is
 * cut to max_len at its end. An example whose targets are all cut away is left out, with a notice.
 *
 * pack = yes: the sequences of the set, one after the other, are cut into blocks of max_len tokens; tokens then see
 * what stands before them in the block, whatever example it belongs to. Plain text is always packed: each block is
 * [begin] and the next max_len - 1 tokens, so that every token is predicted once. (Without packing, examples stand end
 * to end in a batch too, but never see each other: packing saves no time here.) */
#ifndef PG_DATASETS_LM_H
#define PG_DATASETS_LM_H

#include "datasets/dataset.h"
#include "datasets/tabfile.h"

enum lm_style { LM_COMPLETION, LM_ALPACA, LM_GUANACO, LM_TEXT };
#define LM_STYLES "completion|alpaca|guanaco|text"
enum lm_turns { LM_TURNS_ALL, LM_TURNS_ASSISTANT };
enum lm_bos { LM_BOS_AUTO, LM_BOS_NO, LM_BOS_YES };

struct lm { /* task->priv */
    enum lm_style style;
    enum tab_format format;
    bool no_header;
    const char *prompt, *completion; /* LM_COMPLETION: templates with \n and {column} */
    const char *separator;           /* between prompt and completion */
    enum lm_turns turns;
    enum lm_bos bos;
    bool no_end, pack;
    int max_prompt, max_completion; /* tokens; 0: no limit of its own */
};

status lm_load(const struct task *, const struct task_set *, const char *data_root, int max_examples, struct arena *,
               struct rows *);
status lm_tokenise(const struct task *, struct tokenizer *, const struct rows *, int max_len, struct token_sink *);

/* The token ids that begin the continuation of a prompt: [begin] prompt separator-less, at most max_len of them, the
 * last ones kept. Replaces *out. */
status lm_prompt_ids(const struct task *, struct tokenizer *, const char *prompt, int max_len, struct ids *out);

/* Rows with a prompt of their own: [start of each different prompt's rows]. Equal prompts need not be neighbours.
 * first[k]: the first row of prompt k; of[i]: the prompt of row i. Arrays of rows->n in the arena. */
status lm_prompts(const struct rows *, struct arena *, int **first, int **of, int *prompts);

extern const struct task lm_e2e, lm_e2e_text, lm_wikitext2, lm_wikitext2_valid;

/* A user's task from a section [task NAME] that has a style (see usertask_make). */
extern const struct option lm_option_table[];
status lm_make(const char *name, const struct key_value *, int count, const char *ini_path, struct arena *,
               struct task **);

#endif
