/* The words of the mini language by meaning. A concept has one word or two synonyms; concepts of one group are related
 * (dog, cat: animals), a group of nouns has a general word (animal). Regular forms are made of pieces: dog + ##s,
 * walk + ##ed, chase + ##d, so the tokenizer's word list stays small. */
#ifndef PG_DATASETS_MINI_WORDS_H
#define PG_DATASETS_MINI_WORDS_H

#include <stdbool.h>

enum noun_group { PERSON, ANIMAL, FRUIT, VEHICLE, TOY, INSTRUMENT, TOOL, NOUN_GROUPS };
enum gender { NEUTER, MALE, FEMALE, NO_REFLEXIVE }; /* himself, herself, itself; none: left open */

struct noun {
    const char *word[2]; /* [1] NULL: no synonym */
    const char *plural;  /* of word[0] when irregular */
    enum noun_group group;
    enum gender gender;
    bool general; /* the group's own word */
};
/* What a transitive verb takes: its group. INTRANSITIVE takes nothing. */
enum verb_group { ON_BEING, ON_FRUIT, ON_VEHICLE, ON_TOY, ON_INSTRUMENT, ON_TOOL, INTRANSITIVE, VERB_GROUPS };
struct verb {
    const char *word[2];
    enum verb_group group;
};
enum adjective_group { SIZE, AGE, COLOUR, WEIGHT, PRICE, MOOD, ENERGY, ADJECTIVE_GROUPS }; /* the last two: of beings */
struct adjective {
    const char *word[2];
    enum adjective_group group;
};
struct word { /* places, prepositions, manners, times */
    const char *word[2];
    int group; /* times: 1 past, 0 present */
};

extern const struct noun mini_noun[];
extern const struct verb mini_verb[];
extern const struct adjective mini_adjective[];
extern const struct word mini_place[], mini_near[], mini_manner[], mini_time[];
extern const int mini_nouns, mini_verbs, mini_adjectives, mini_places, mini_nears, mini_manners, mini_times;

/* Reviews: things, adjectives and verbs with a value from -4 to 4 (2 and 4: mild and strong). */
struct valued {
    const char *word;
    int value;
};
extern const char *const mini_topic[];
extern const struct valued mini_opinion[], mini_feeling[];
extern const int mini_topics, mini_opinions, mini_feelings;

static inline bool is_being(enum noun_group g)
{
    return g == PERSON || g == ANIMAL;
}

/* The group of verbs that take nouns of a group. */
static inline enum verb_group verbs_for(enum noun_group g)
{
    return is_being(g) ? ON_BEING : (enum verb_group)(ON_FRUIT + (g - FRUIT));
}

#endif
