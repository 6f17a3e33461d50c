/* Reviews: statements with a value, joined by "and" (the same direction) or "but" (the other one). */
#include <stdlib.h>
#include "datasets/mini_grammar.h"

static const char *const speaker[] = {"i", "we", "they", "everyone"};
static const char *const strong[] = {"very", "really", "extremely"};
static const char *const weak[] = {"slightly", "somewhat", "fairly"};
enum { SPEAKERS = 4, DEGREE_WORDS = 3 };

int statement_value(const struct statement *s)
{
    int value = 4 * (s->opinion != NONE ? mini_opinion[s->opinion].value : mini_feeling[s->feeling].value);
    if (s->degree == 1) value *= 2;
    if (s->degree == 2) value /= 2;
    return s->negated ? -value / 2 : value;
}

int review_value(const struct review *r)
{
    int value = 0;
    for (int i = 0; i < r->statements; i++) value += (r->s[i].contrast ? 2 : 1) * statement_value(&r->s[i]);
    return value;
}

static void draw_statement(struct draw *d, struct statement *s)
{
    *s = (struct statement){.topic = draw_below(d, mini_topics), .opinion = NONE, .feeling = NONE};
    if (draw_chance(d, 70))
        s->opinion = draw_below(d, mini_opinions);
    else
        s->feeling = draw_below(d, mini_feelings);
    s->degree = draw_chance(d, 40) ? 1 + draw_below(d, 2) : 0;
    s->degree_word = draw_below(d, DEGREE_WORDS);
    s->frame = draw_below(d, 1 + SPEAKERS);
    s->negated = draw_chance(d, 30);
}

void review_draw(struct draw *d, int statements, struct review *r)
{
    r->statements = statements;
    for (int i = 0; i < statements; i++) {
        struct statement *s = &r->s[i];
        bool contrast = i > 0 && draw_chance(d, 45), taken;
        do {
            draw_statement(d, s);
            taken = false;
            for (int j = 0; j < i; j++) taken |= r->s[j].topic == s->topic;
            if (i) taken |= ((statement_value(s) > 0) != (statement_value(s - 1) > 0)) != contrast;
        } while (taken);
        s->contrast = contrast;
    }
}

static void say_degree(const struct statement *s, struct line *l)
{
    if (s->degree == 1) line_word(l, strong[s->degree_word]);
    if (s->degree == 2) line_word(l, weak[s->degree_word]);
}

static void say_topic(const struct statement *s, struct line *l)
{
    line_word(l, "the");
    line_word(l, mini_topic[s->topic]);
}

/* "we did not really enjoy the meal" */
static void say_feeling(const struct statement *s, struct line *l)
{
    const char *verb = mini_feeling[s->feeling].word;
    size_t n = 0;
    while (verb[n]) n++;
    line_word(l, speaker[s->frame % SPEAKERS]);
    if (s->negated) {
        line_word(l, "did");
        line_word(l, "not");
    }
    say_degree(s, l);
    line_word(l, verb);
    if (!s->negated) line_suffix(l, verb[n - 1] == 'e' ? "d" : "ed");
    say_topic(s, l);
}

/* "the plot was not very good", "i found the plot very good", "i did not find the plot very good" */
static void say_opinion(const struct statement *s, struct line *l)
{
    if (s->frame == 0) {
        say_topic(s, l);
        line_word(l, "was");
        if (s->negated) line_word(l, "not");
    } else {
        line_word(l, speaker[s->frame - 1]);
        if (s->negated) {
            line_word(l, "did");
            line_word(l, "not");
        }
        line_word(l, s->negated ? "find" : "found");
        say_topic(s, l);
    }
    say_degree(s, l);
    line_word(l, mini_opinion[s->opinion].word);
}

void review_say(const struct review *r, struct line *l)
{
    for (int i = 0; i < r->statements; i++) {
        const struct statement *s = &r->s[i];
        if (i) {
            line_word(l, ",");
            line_word(l, s->contrast ? "but" : "and");
        }
        if (s->opinion != NONE)
            say_opinion(s, l);
        else
            say_feeling(s, l);
    }
}
