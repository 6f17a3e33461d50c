/* One row of each mini task: a meaning is drawn, something is done to it, and the label says what. */
#include "datasets/mini.h"

#include <stdlib.h>

static void stop(struct line *l)
{
    line_word(l, ".");
}

static void say(const struct clause *c, struct draw *d, struct line *l)
{
    clause_say(c, SOUND, d, l);
}

/* Acceptability: half of the rows break one rule of the grammar. Sound rows are drawn from the same clauses. */
bool mini_cola_row(struct draw *d, int target, struct line *a, struct line *b, float *label)
{
    static const struct recipe recipe = {.object = 65,
                                         .adjective = 35,
                                         .attractor = 25,
                                         .reflexive = 15,
                                         .place = 30,
                                         .manner = 20,
                                         .time = 25,
                                         .negation = 20,
                                         .passive = 25,
                                         .general = 8,
                                         .all_determiners = true};
    enum fault fault = (enum fault)(1 + draw_below(d, FAULTS - 1));
    struct clause c;
    (void)b;
    do clause_draw(d, &recipe, &c);
    while (!clause_can(&c, fault));
    clause_say(&c, target ? SOUND : fault, d, a);
    stop(a);
    *label = (float)target;
    return true;
}

/* Paraphrase: both classes are restated; a row of class 0 also differs in one point of meaning. */
bool mini_mrpc_row(struct draw *d, int target, struct line *a, struct line *b, float *label)
{
    static const struct recipe recipe = {.object = 85,
                                         .adjective = 35,
                                         .place = 30,
                                         .manner = 15,
                                         .time = 20,
                                         .negation = 12,
                                         .passive = 20,
                                         .general = 5};
    struct clause c;
    clause_draw(d, &recipe, &c);
    say(&c, d, a);
    if (!clause_restate(d, &c)) return false;
    if (!target) clause_alter(d, &c);
    say(&c, d, b);
    stop(a);
    stop(b);
    *label = (float)target;
    return true;
}

/* The premise of an entailment row: the clause, in 3 of 10 rows beside another one. */
static void say_premise(struct draw *d, const struct recipe *recipe, const struct clause *c, struct line *l)
{
    struct clause other;
    int beside = draw_below(d, 20);
    if (beside < 6) clause_draw(d, recipe, &other);
    if (beside < 3) {
        say(&other, d, l);
        line_word(l, ",");
        line_word(l, "and");
    }
    say(c, d, l);
    if (beside >= 3 && beside < 6) {
        line_word(l, ",");
        line_word(l, "and");
        say(&other, d, l);
    }
    stop(l);
}

/* Entailment: the hypothesis says the same or less (class 0); or it differs in one point, or says more (class 1). Under
 * negation less is more, so a negated premise is only restated. */
bool mini_rte_row(struct draw *d, int target, struct line *a, struct line *b, float *label)
{
    static const struct recipe recipe = {.object = 75,
                                         .adjective = 40,
                                         .attractor = 8,
                                         .place = 35,
                                         .manner = 20,
                                         .time = 20,
                                         .passive = 20,
                                         .general = 8};
    struct clause full, less;
    clause_draw(d, &recipe, &full);
    full.negated = draw_chance(d, 12);
    less = full;
    if (!full.negated && !clause_weaken(d, &less)) return false;
    bool more = target && !full.negated && draw_chance(d, 50), same = !target && draw_chance(d, 15);
    struct clause premise = more ? less : full, hypothesis = more || same ? full : less;
    if (target && !more) clause_alter(d, &hypothesis);
    if (draw_chance(d, 60) || same || full.negated) clause_restate(d, &hypothesis);
    say_premise(d, &recipe, &premise, a);
    say(&hypothesis, d, b);
    stop(b);
    *label = (float)target;
    return true;
}

/* Sentiment: the sign of the review's value. */
bool mini_sst2_row(struct draw *d, int target, struct line *a, struct line *b, float *label)
{
    struct review r;
    int k = draw_below(d, 100);
    (void)b;
    review_draw(d, k < 40 ? 1 : k < 85 ? 2 : 3, &r);
    int value = review_value(&r);
    if (value == 0 || (value > 0) != target) return false;
    review_say(&r, a);
    stop(a);
    *label = (float)target;
    return true;
}

/* Similarity: five parts, each the same (1), related (1/2) or another (0). */
enum part { SAME, RELATED, OTHER };

static enum part draw_part(struct draw *d, int same)
{
    return draw_chance(d, same) ? SAME : draw_chance(d, 50) ? RELATED : OTHER;
}

static int set_noun(struct draw *d, enum part part, struct phrase *p)
{
    if (part == SAME) return 2;
    p->noun = other_noun(d, p->noun, part == RELATED);
    p->noun_word = 0;
    return part == RELATED;
}

static int set_adjective(struct draw *d, enum part part, struct phrase *p)
{
    if (part == SAME) return 2;
    int old = p->adjective;
    if (part == RELATED) {
        p->adjective = other_adjective(d, old);
    } else {
        enum adjective_group g, was = mini_adjective[old].group;
        do {
            p->adjective = draw_below(d, mini_adjectives);
            g = mini_adjective[p->adjective].group;
        } while (g == was || g == WEIGHT || g == PRICE); /* those are of things */
    }
    p->adjective_word = 0;
    return part == RELATED;
}

/* Verb and object go together: another kind of object takes another kind of verb. */
static int set_action(struct draw *d, int same, struct clause *c)
{
    if (draw_part(d, same) == OTHER) {
        struct clause fresh;
        do clause_draw(d, &(const struct recipe){.object = 100}, &fresh);
        while (mini_verb[fresh.verb].group == mini_verb[c->verb].group || fresh.object.noun == c->subject.noun);
        fresh.object.plural = c->object.plural;
        fresh.object.det = c->object.det;
        c->object = fresh.object;
        c->verb = fresh.verb;
        c->verb_word = 0;
        return 0;
    }
    int score = set_noun(d, draw_chance(d, same) ? SAME : RELATED, &c->object);
    if (draw_chance(d, same)) return score + 2;
    c->verb = other_verb(d, c->verb);
    c->verb_word = 0;
    return score + 1;
}

static int set_place(struct draw *d, enum part part, struct clause *c)
{
    if (part == SAME) return 2;
    if (part == RELATED) {
        c->near = (c->near + 1 + draw_below(d, mini_nears - 1)) % mini_nears;
        c->near_word = 0;
        return 1;
    }
    c->place = (c->place + 1 + draw_below(d, mini_places - 1)) % mini_places;
    c->place_word = 0;
    return 0;
}

bool mini_stsb_row(struct draw *d, int target, struct line *a, struct line *b, float *label)
{
    static const struct recipe recipe = {.object = 100, .place = 100, .passive = 15};
    static const int level[] = {4, 30, 55, 78, 96};
    struct clause c;
    (void)target;
    clause_draw(d, &recipe, &c);
    do c.subject.adjective = draw_below(d, mini_adjectives);
    while (mini_adjective[c.subject.adjective].group == WEIGHT || mini_adjective[c.subject.adjective].group == PRICE);
    say(&c, d, a);
    int same = level[draw_below(d, 5)];
    int halves = set_action(d, same, &c) + set_noun(d, draw_part(d, same), &c.subject) +
                 set_adjective(d, draw_part(d, same), &c.subject) + set_place(d, draw_part(d, same), &c);
    clause_restate(d, &c);
    say(&c, d, b);
    stop(a);
    stop(b);
    *label = (float)halves / 2;
    return true;
}
