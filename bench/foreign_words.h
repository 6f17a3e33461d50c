/* Names that other programs have for our options: what to say to a user who writes one of them. */
#ifndef PG_BENCH_FOREIGN_WORDS_H
#define PG_BENCH_FOREIGN_WORDS_H

/* "did you mean 'lr'?" for learning_rate, or why there is nothing like it; NULL: not a word we know. */
const char *foreign_word(const char *name);

#endif
