/* Clauses of the mini language: drawn as meanings, put into words, restated, changed in one point, made more general.
 * The tasks' labels follow from what was done to the meaning; docs/MINI.md states the rules. */
#ifndef PG_DATASETS_MINI_GRAMMAR_H
#define PG_DATASETS_MINI_GRAMMAR_H

#include "core/rng.h"
#include "datasets/mini_words.h"

/* A stream of draws: pure in (rng, who, index); `at` counts the draws. */
struct draw {
    const struct rng *rng;
    uint32_t who;
    uint64_t index, at;
};
int draw_below(struct draw *, int n); /* 0 .. n-1 */
bool draw_chance(struct draw *, int percent);

enum { MINI_LINE = 512 };
struct line { /* text that grows word by word */
    char s[MINI_LINE];
    int n;
};
void line_word(struct line *,
               const char *word); /* blank (unless first) and word; "," and "." stick to the word before */
void line_suffix(struct line *, const char *piece); /* "s", "ed": sticks */

enum { NONE = -1 };
struct phrase { /* a noun with what belongs to it; numbers are places in the tables of mini_words.h */
    int noun, adjective, near, place; /* NONE: absent; "the dog near the barn": near, place */
    int det;                          /* place in the list of determiners of its number */
    bool plural, place_plural;
    int noun_word, adjective_word, near_word, place_word; /* which of two synonyms */
};
struct clause {
    struct phrase subject, object; /* object.noun NONE: intransitive */
    bool reflexive;                /* object is himself, herself, itself, themselves */
    int verb, verb_word;
    bool past, negated;
    int near, near_word, place, place_word; /* where it happens */
    int manner, manner_word, time, time_word;
    /* style: does not change what is said */
    bool passive, time_first, manner_first;
};

/* What a drawn clause may contain. Chances in percent. */
struct recipe {
    int object, adjective, attractor, reflexive, place, manner, time, negation, passive, general;
    bool all_determiners; /* else only those that say no more than number: the, a, this, that, some, two ... */
};
void clause_draw(struct draw *, const struct recipe *, struct clause *);

/* Violations for the acceptability task. The clause must have what a violation needs (clause_can). */
enum fault {
    SOUND,
    BAD_AGREEMENT, /* the dogs walks */
    BAD_NUMBER,    /* a dogs, these dog */
    BAD_ORDER,     /* the dog big; dog the */
    BAD_ARGUMENTS, /* the man chased. the man walked the dog */
    BAD_REFLEXIVE, /* the girl admired himself */
    BAD_TENSE,     /* yesterday the dog walks */
    BAD_FORM,      /* did not walked; was chase by */
    BAD_VERB,      /* no verb, or the same word twice */
    FAULTS
};
bool clause_can(const struct clause *, enum fault);

/* The clause in words, without the full stop. Two-way choices of a fault come from the draw (not used for SOUND). */
void clause_say(const struct clause *, enum fault, struct draw *, struct line *);

/* Other words, same meaning: swaps synonyms and style. At least one change where anything can change; returns how many.
 */
int clause_restate(struct draw *, struct clause *);

/* Says something else in one point, keeping the shape: another noun, verb or place, an opposite adjective, negation,
 * swapped roles. */
void clause_alter(struct draw *, struct clause *);

/* Says less: drops modifiers, puts general nouns. Returns the number of changes. */
int clause_weaken(struct draw *, struct clause *);

/* Another concept of the same group (related) or of any other (not related); NONE when there is none. */
int other_noun(struct draw *, int noun, bool related);
int other_verb(struct draw *, int verb);
int other_adjective(struct draw *, int adjective);

/* A review of one or more statements about one thing. */
enum { MINI_STATEMENTS = 3 };
struct statement {
    int topic, opinion, feeling; /* opinion or feeling NONE */
    int degree;                  /* 0 plain, 1 very, 2 slightly */
    int degree_word, frame;
    bool negated, contrast; /* contrast: joined by "but" to the one before */
};
struct review {
    int statements;
    struct statement s[MINI_STATEMENTS];
};
int statement_value(const struct statement *); /* in quarters of a point; negation flips and halves */
int review_value(const struct review *);       /* what follows "but" counts double */
void review_draw(struct draw *, int statements, struct review *);
void review_say(const struct review *, struct line *);

#endif
