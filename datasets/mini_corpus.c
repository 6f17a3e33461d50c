/* The unlabelled text that the mini checkpoint is pre-trained on: single clauses, reviews, and pairs in which the
 * second text restates, changes or shortens the first, as neighbouring sentences of a document do. It tells no labels.
 */
#include "datasets/mini.h"

#include "core/text.h"

static const struct recipe plain = {.object = 70,
                                    .adjective = 40,
                                    .attractor = 15,
                                    .reflexive = 6,
                                    .place = 35,
                                    .manner = 22,
                                    .time = 25,
                                    .negation = 15,
                                    .passive = 22,
                                    .general = 8,
                                    .all_determiners = true};
static const struct recipe paired = {.object = 80,
                                     .adjective = 35,
                                     .attractor = 5,
                                     .place = 30,
                                     .manner = 15,
                                     .time = 15,
                                     .negation = 10,
                                     .passive = 20,
                                     .general = 6};

static void pair(struct draw *d, struct line *a, struct line *b)
{
    struct clause c;
    clause_draw(d, &paired, &c);
    struct clause first = c;
    int kind = draw_below(d, 100);
    if (kind >= 55 && kind < 80 && !c.negated) clause_weaken(d, &c);
    if (kind >= 30) clause_restate(d, &c);
    if (kind >= 80) clause_alter(d, &c);
    bool turned = draw_chance(d, 30);
    clause_say(turned ? &c : &first, SOUND, d, a);
    clause_say(turned ? &first : &c, SOUND, d, b);
    line_word(b, ".");
}

static void two_clauses(struct draw *d, struct line *a)
{
    struct clause c;
    clause_draw(d, &paired, &c);
    clause_say(&c, SOUND, d, a);
    line_word(a, ",");
    line_word(a, "and");
    clause_draw(d, &paired, &c);
    clause_say(&c, SOUND, d, a);
}

void mini_corpus_text(const struct rng *rng, uint64_t index, struct line *a, struct line *b)
{
    struct draw d = {.rng = rng, .who = text_hash32("mini_corpus"), .index = index};
    int kind = draw_below(&d, 100);
    struct clause c;
    struct review r;
    *a = *b = (struct line){.n = 0};
    if (kind < 55) {
        pair(&d, a, b);
    } else if (kind < 75) {
        review_draw(&d, 1 + draw_below(&d, MINI_STATEMENTS), &r);
        review_say(&r, a);
    } else if (kind < 80) {
        two_clauses(&d, a);
    } else {
        clause_draw(&d, &plain, &c);
        clause_say(&c, SOUND, &d, a);
    }
    line_word(a, ".");
}
