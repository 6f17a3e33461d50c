/* What can be done to the meaning of a clause: restate, alter, weaken. */
#include <string.h>
#include "datasets/mini_grammar.h"

int other_noun(struct draw *d, int noun, bool related)
{
    const struct noun *old = &mini_noun[noun];
    int fit[64] = {0}, n = 0;
    for (int i = 0; i < mini_nouns && n < 64; i++) {
        const struct noun *x = &mini_noun[i];
        bool group = related ? x->group == old->group && !old->general
                             : x->group != old->group && is_being(x->group) == is_being(old->group);
        if (i != noun && !x->general && group) fit[n++] = i;
    }
    return n ? fit[draw_below(d, n)] : NONE;
}

int other_verb(struct draw *d, int verb)
{
    int i;
    do i = draw_below(d, mini_verbs);
    while (i == verb || mini_verb[i].group != mini_verb[verb].group);
    return i;
}

int other_adjective(struct draw *d, int adjective)
{
    int i;
    do i = draw_below(d, mini_adjectives);
    while (i == adjective || mini_adjective[i].group != mini_adjective[adjective].group);
    return i;
}

static int other_of(struct draw *d, int old, int n)
{
    return (old + 1 + draw_below(d, n - 1)) % n;
}

/* ---- the same in other words ----------------------------------------------------------------------------------- */

static int swap_synonym(struct draw *d, const char *const word[2], int *at)
{
    if (!word[1] || !draw_chance(d, 50)) return 0;
    *at = !*at;
    return 1;
}

static int swap_phrase(struct draw *d, struct phrase *p)
{
    int n = swap_synonym(d, mini_noun[p->noun].word, &p->noun_word);
    if (p->adjective != NONE) n += swap_synonym(d, mini_adjective[p->adjective].word, &p->adjective_word);
    if (p->near != NONE) n += swap_synonym(d, mini_near[p->near].word, &p->near_word);
    if (p->place != NONE) n += swap_synonym(d, mini_place[p->place].word, &p->place_word);
    return n;
}

static int swap_style(struct draw *d, bool possible, bool *style)
{
    if (!possible || !draw_chance(d, 25)) return 0;
    *style = !*style;
    return 1;
}

static int restate_once(struct draw *d, struct clause *c)
{
    int n = swap_phrase(d, &c->subject);
    if (c->object.noun != NONE) n += swap_phrase(d, &c->object);
    n += swap_synonym(d, mini_verb[c->verb].word, &c->verb_word);
    if (c->near != NONE) n += swap_synonym(d, mini_near[c->near].word, &c->near_word);
    if (c->place != NONE) n += swap_synonym(d, mini_place[c->place].word, &c->place_word);
    if (c->manner != NONE) n += swap_synonym(d, mini_manner[c->manner].word, &c->manner_word);
    if (c->time != NONE) n += swap_synonym(d, mini_time[c->time].word, &c->time_word);
    n += swap_style(d, c->object.noun != NONE, &c->passive);
    n += swap_style(d, c->time != NONE, &c->time_first);
    n += swap_style(d, c->manner != NONE && !c->passive, &c->manner_first);
    return n;
}

int clause_restate(struct draw *d, struct clause *c)
{
    for (int attempt = 0; attempt < 20; attempt++) {
        int n = restate_once(d, c);
        if (n) return n;
    }
    return 0;
}

/* ---- something else -------------------------------------------------------------------------------------------- */

enum point {
    SUBJECT,
    OBJECT,
    VERB,
    SUBJECT_ADJECTIVE,
    OBJECT_ADJECTIVE,
    ROLES_SWAPPED,
    PLACE,
    MANNER,
    NEGATION,
    POINTS
};

static bool can_alter(const struct clause *c, enum point p)
{
    bool object = c->object.noun != NONE;
    switch (p) {
    case OBJECT: return object && !mini_noun[c->object.noun].general;
    case SUBJECT: return !c->reflexive && !mini_noun[c->subject.noun].general;
    case SUBJECT_ADJECTIVE: return c->subject.adjective != NONE;
    case OBJECT_ADJECTIVE: return object && c->object.adjective != NONE;
    case ROLES_SWAPPED: return object && is_being(mini_noun[c->object.noun].group);
    case PLACE: return c->place != NONE;
    case MANNER: return c->manner != NONE;
    default: return true;
    }
}

static void alter_noun(struct draw *d, struct phrase *p, int avoid)
{
    int noun;
    do noun = other_noun(d, p->noun, true);
    while (noun == avoid);
    p->noun = noun;
    p->noun_word = mini_noun[noun].word[1] ? draw_below(d, 2) : 0;
}

static void alter_adjective(struct draw *d, struct phrase *p)
{
    p->adjective = other_adjective(d, p->adjective);
    p->adjective_word = mini_adjective[p->adjective].word[1] ? draw_below(d, 2) : 0;
}

static void alter_point(struct draw *d, struct clause *c, enum point p)
{
    struct phrase keep;
    switch (p) {
    case SUBJECT: alter_noun(d, &c->subject, c->object.noun); break;
    case OBJECT: alter_noun(d, &c->object, c->subject.noun); break;
    case VERB:
        c->verb = other_verb(d, c->verb);
        c->verb_word = mini_verb[c->verb].word[1] ? draw_below(d, 2) : 0;
        break;
    case SUBJECT_ADJECTIVE: alter_adjective(d, &c->subject); break;
    case OBJECT_ADJECTIVE: alter_adjective(d, &c->object); break;
    case ROLES_SWAPPED:
        keep = c->subject;
        c->subject = c->object;
        c->object = keep;
        break;
    case PLACE:
        c->place = other_of(d, c->place, mini_places);
        c->place_word = mini_place[c->place].word[1] ? draw_below(d, 2) : 0;
        break;
    case MANNER:
        c->manner = other_of(d, c->manner, mini_manners);
        c->manner_word = mini_manner[c->manner].word[1] ? draw_below(d, 2) : 0;
        break;
    default: c->negated = !c->negated;
    }
}

void clause_alter(struct draw *d, struct clause *c)
{
    enum point p;
    do p = (enum point)draw_below(d, POINTS);
    while (!can_alter(c, p));
    alter_point(d, c, p);
}

/* ---- less ------------------------------------------------------------------------------------------------------ */

static int general_noun(enum noun_group group)
{
    int i = 0;
    while (mini_noun[i].group != group || !mini_noun[i].general) i++;
    return i;
}

static int weaken_phrase(struct draw *d, struct phrase *p)
{
    int n = 0;
    if (p->adjective != NONE && draw_chance(d, 60)) {
        p->adjective = NONE;
        n++;
    }
    if (p->near != NONE && draw_chance(d, 60)) {
        p->near = p->place = NONE;
        n++;
    }
    if (!mini_noun[p->noun].general && draw_chance(d, 30)) {
        p->noun = general_noun(mini_noun[p->noun].group);
        p->noun_word = 0;
        n++;
    }
    return n;
}

static int weaken_once(struct draw *d, struct clause *c)
{
    int n = weaken_phrase(d, &c->subject);
    if (c->object.noun != NONE) n += weaken_phrase(d, &c->object);
    if (c->place != NONE && draw_chance(d, 60)) {
        c->near = c->place = NONE;
        n++;
    }
    if (c->manner != NONE && draw_chance(d, 60)) {
        c->manner = NONE;
        n++;
    }
    if (c->time != NONE && draw_chance(d, 60)) {
        c->time = NONE;
        n++;
    }
    return n;
}

int clause_weaken(struct draw *d, struct clause *c)
{
    for (int attempt = 0; attempt < 20; attempt++) {
        int n = weaken_once(d, c);
        if (n) return n;
    }
    return 0;
}
