/* See mini_grammar.h: drawing clauses and putting them into words. What is done to meanings is in mini_meaning.c,
 * reviews are in mini_review.c. */
#include "datasets/mini_grammar.h"

#include <string.h>

int draw_below(struct draw *d, int n)
{
    return rng_below(d->rng, RNG_DATA, d->index, 0, d->who, d->at++, n);
}

bool draw_chance(struct draw *d, int percent)
{
    return draw_below(d, 100) < percent;
}

void line_suffix(struct line *l, const char *piece)
{
    size_t n = strlen(piece);
    if ((size_t)l->n + n + 1 > sizeof l->s) return;
    memcpy(l->s + l->n, piece, n + 1);
    l->n += (int)n;
}

void line_word(struct line *l, const char *word)
{
    if (l->n && *word != ',' && *word != '.') line_suffix(l, " ");
    line_suffix(l, word);
}

/* ---- drawing --------------------------------------------------------------------------------------------------- */

/* Determiners that say no more than number come first; "the" and "some" fit both numbers well enough to be no fault. */
static const char *const singular_det[] = {"the", "a", "this", "that", "every", "each"};
static const char *const plural_det[] = {"the", "some", "these", "those", "two", "many", "few"};
enum { PLAIN_SINGULAR = 4, ALL_SINGULAR = 6, PLAIN_PLURAL = 5, ALL_PLURAL = 7 };

static bool det_fixes_number(const struct phrase *p)
{
    return p->plural ? p->det >= 2 : p->det >= 1;
}

enum { BEINGS = 1 << PERSON | 1 << ANIMAL };

/* A noun of one of the groups (bits). */
static int draw_noun(struct draw *d, unsigned groups, bool general)
{
    int fit[64] = {0}, n = 0;
    for (int i = 0; i < mini_nouns && n < 64; i++)
        if ((groups >> mini_noun[i].group & 1) && mini_noun[i].general == general) fit[n++] = i;
    return fit[draw_below(d, n)];
}

static int draw_verb(struct draw *d, enum verb_group group)
{
    int first = 0, n = 0;
    while (mini_verb[first].group != group) first++;
    while (first + n < mini_verbs && mini_verb[first + n].group == group) n++;
    return first + draw_below(d, n);
}

static int draw_adjective(struct draw *d, bool being)
{
    for (;;) {
        int i = draw_below(d, mini_adjectives);
        enum adjective_group g = mini_adjective[i].group;
        if (g == MOOD || g == ENERGY ? being : g == WEIGHT || g == PRICE ? !being : true) return i;
    }
}

/* 0 or, where there is a synonym, 0 or 1. */
static int draw_synonym(struct draw *d, const char *const word[2])
{
    return word[1] ? draw_below(d, 2) : 0;
}

static void draw_phrase(struct draw *d, const struct recipe *r, int noun, struct phrase *p)
{
    *p = (struct phrase){.noun = noun, .adjective = NONE, .near = NONE, .place = NONE};
    p->noun_word = draw_synonym(d, mini_noun[noun].word);
    p->plural = draw_chance(d, 40);
    if (r->all_determiners)
        p->det = draw_below(d, p->plural ? ALL_PLURAL : ALL_SINGULAR);
    else
        p->det = draw_below(d, p->plural ? PLAIN_PLURAL : PLAIN_SINGULAR);
    if (draw_chance(d, r->adjective)) {
        p->adjective = draw_adjective(d, is_being(mini_noun[noun].group));
        p->adjective_word = draw_synonym(d, mini_adjective[p->adjective].word);
    }
    if (draw_chance(d, r->attractor)) {
        p->near = draw_below(d, mini_nears);
        p->near_word = draw_synonym(d, mini_near[p->near].word);
        p->place = draw_below(d, mini_places);
        p->place_word = draw_synonym(d, mini_place[p->place].word);
        p->place_plural = draw_chance(d, 50);
    }
}

static void draw_object(struct draw *d, const struct recipe *r, struct clause *c)
{
    bool general = draw_chance(d, r->general);
    struct recipe plain = *r;
    plain.attractor = 0;
    c->reflexive =
        draw_chance(d, r->reflexive) && (c->subject.plural || mini_noun[c->subject.noun].gender != NO_REFLEXIVE);
    if (c->reflexive) {
        c->verb = draw_verb(d, ON_BEING);
        return;
    }
    int group = draw_chance(d, 40) ? draw_below(d, FRUIT) : FRUIT + draw_below(d, NOUN_GROUPS - FRUIT);
    int noun = draw_noun(d, 1u << group, general);
    while (noun == c->subject.noun) noun = draw_noun(d, 1u << group, false);
    draw_phrase(d, &plain, noun, &c->object);
    c->verb = draw_verb(d, verbs_for((enum noun_group)group));
    c->passive = draw_chance(d, r->passive);
}

void clause_draw(struct draw *d, const struct recipe *r, struct clause *c)
{
    *c = (struct clause){.object.noun = NONE, .near = NONE, .place = NONE, .manner = NONE, .time = NONE};
    draw_phrase(d, r, draw_noun(d, BEINGS, draw_chance(d, r->general)), &c->subject);
    if (draw_chance(d, r->object))
        draw_object(d, r, c);
    else
        c->verb = draw_verb(d, INTRANSITIVE);
    c->verb_word = draw_synonym(d, mini_verb[c->verb].word);
    c->past = draw_chance(d, 50);
    c->negated = draw_chance(d, r->negation);
    if (draw_chance(d, r->place)) {
        c->near = draw_below(d, mini_nears);
        c->near_word = draw_synonym(d, mini_near[c->near].word);
        c->place = draw_below(d, mini_places);
        c->place_word = draw_synonym(d, mini_place[c->place].word);
    }
    if (draw_chance(d, r->manner)) {
        c->manner = draw_below(d, mini_manners);
        c->manner_word = draw_synonym(d, mini_manner[c->manner].word);
        c->manner_first = draw_chance(d, 40);
    }
    if (draw_chance(d, r->time)) {
        c->time = draw_below(d, mini_times);
        c->time_word = draw_synonym(d, mini_time[c->time].word);
        c->time_first = draw_chance(d, 40);
        c->past = mini_time[c->time].group == 1;
    }
}

/* ---- saying ---------------------------------------------------------------------------------------------------- */

static bool starts_with_vowel(const char *word)
{
    return strchr("aeiou", *word) != NULL;
}

static void say_noun(const struct phrase *p, bool plural, struct line *l)
{
    const struct noun *n = &mini_noun[p->noun];
    if (plural && n->plural && p->noun_word == 0) {
        line_word(l, n->plural);
        return;
    }
    line_word(l, n->word[p->noun_word]);
    if (plural) line_suffix(l, "s");
}

static void say_near(int near, int near_word, int place, int place_word, bool plural, struct line *l)
{
    line_word(l, mini_near[near].word[near_word]);
    line_word(l, "the");
    line_word(l, mini_place[place].word[place_word]);
    if (plural) line_suffix(l, "s");
}

/* wrong_number: the noun's form contradicts the determiner; swapped: the noun comes too early. */
static void say_phrase(const struct phrase *p, bool wrong_number, bool swapped, struct line *l)
{
    bool plural = p->plural != wrong_number;
    const char *adjective = p->adjective == NONE ? NULL : mini_adjective[p->adjective].word[p->adjective_word];
    const char *det = p->plural ? plural_det[p->det] : singular_det[p->det];
    if (strcmp(det, "a") == 0 && starts_with_vowel(adjective ? adjective : mini_noun[p->noun].word[p->noun_word]))
        det = "an";
    if (swapped && !adjective) say_noun(p, plural, l);
    line_word(l, det);
    if (swapped && adjective) say_noun(p, plural, l);
    if (adjective) line_word(l, adjective);
    if (!swapped) say_noun(p, plural, l);
    if (p->near != NONE) say_near(p->near, p->near_word, p->place, p->place_word, p->place_plural, l);
}

static void say_manner(const struct clause *c, struct line *l)
{
    line_word(l, mini_manner[c->manner].word[c->manner_word]);
}

static void say_past(const char *verb, struct line *l)
{
    line_word(l, verb);
    line_suffix(l, verb[strlen(verb) - 1] == 'e' ? "d" : "ed");
}

static void say_verb(const struct clause *c, enum fault fault, bool plural, bool past, struct line *l)
{
    const char *verb = mini_verb[c->verb].word[c->verb_word];
    bool bad_form = fault == BAD_FORM;
    if (c->passive) {
        line_word(l, past ? (plural ? "were" : "was") : (plural ? "are" : "is"));
        if (c->negated) line_word(l, "not");
        if (bad_form)
            line_word(l, verb);
        else
            say_past(verb, l);
        return;
    }
    if (c->negated) {
        line_word(l, past ? "did" : plural ? "do" : "does");
        line_word(l, "not");
    }
    if (c->manner != NONE && c->manner_first) say_manner(c, l);
    if (c->negated ? bad_form && past : past) {
        say_past(verb, l);
        return;
    }
    line_word(l, verb);
    if (c->negated ? bad_form : !plural) line_suffix(l, "s");
}

static void say_reflexive(const struct clause *c, bool wrong, struct draw *d, struct line *l)
{
    static const char *const word[] = {"itself", "himself", "herself", "themselves"};
    int right = c->subject.plural ? 3 : (int)mini_noun[c->subject.noun].gender;
    line_word(l, word[wrong ? (right + 1 + draw_below(d, 3)) % 4 : right]);
}

/* What follows the verb in an active clause. */
static void say_object(const struct clause *c, enum fault fault, bool wrong_number, struct draw *d, struct line *l)
{
    bool bad = fault == BAD_ARGUMENTS;
    if (c->reflexive)
        say_reflexive(c, fault == BAD_REFLEXIVE, d, l);
    else if (c->object.noun != NONE && !bad)
        say_phrase(&c->object, wrong_number, false, l);
    else if (c->object.noun == NONE && bad) {
        line_word(l, "the");
        line_word(l, mini_noun[draw_noun(d, BEINGS, false)].word[0]);
    }
}

bool clause_can(const struct clause *c, enum fault fault)
{
    bool object = c->object.noun != NONE;
    switch (fault) {
    case BAD_AGREEMENT: return !c->past || c->passive;
    case BAD_NUMBER: return det_fixes_number(&c->subject) || (object && det_fixes_number(&c->object));
    case BAD_ARGUMENTS: return !c->passive && !c->reflexive;
    case BAD_REFLEXIVE: return c->reflexive;
    case BAD_TENSE: return c->time != NONE;
    case BAD_FORM: return c->negated || c->passive;
    default: return true;
    }
}

void clause_say(const struct clause *c, enum fault fault, struct draw *d, struct line *l)
{
    const struct phrase *first = c->passive ? &c->object : &c->subject;
    bool past = c->past != (fault == BAD_TENSE), plural = first->plural != (fault == BAD_AGREEMENT);
    bool number = fault == BAD_NUMBER, first_number = number && det_fixes_number(first);
    bool second_number = number && !first_number;
    bool verb_twice = fault == BAD_VERB && draw_below(d, 2);
    if (c->time != NONE && c->time_first) {
        line_word(l, mini_time[c->time].word[c->time_word]);
        line_word(l, ",");
    }
    say_phrase(first, first_number, fault == BAD_ORDER, l);
    if (fault != BAD_VERB || verb_twice) say_verb(c, fault, plural, past, l);
    if (verb_twice) line_word(l, mini_verb[c->verb].word[c->verb_word]);
    if (c->passive) {
        line_word(l, "by");
        say_phrase(&c->subject, second_number, false, l);
    } else {
        say_object(c, fault, second_number, d, l);
    }
    if (c->near != NONE) say_near(c->near, c->near_word, c->place, c->place_word, false, l);
    if (c->manner != NONE && (c->passive || !c->manner_first)) say_manner(c, l);
    if (c->time != NONE && !c->time_first) line_word(l, mini_time[c->time].word[c->time_word]);
}
