/* The restricted pickle machine; see pickle.h. Opcodes as in Python's pickletools, protocols 0 to 5.
 *
 * Hostile input: every read is checked against the end; nothing on the stack below the last mark can be reached; values
 * may refer to each other in cycles, so no code walks them without a bound; memo numbers are limited by the pickle's
 * length; a value takes a bounded number of bytes for each byte of input. */
#include "models/pickle_machine.h"

#include <string.h>
#include "core/text.h"

static const size_t pickle_max = 16u << 20;

/* A copy of old (n objects) with room for at least n + 1. */
static void *grown(struct arena *a, const void *old, size_t n, size_t *cap, size_t size)
{
    size_t more = *cap ? 2 * *cap : 8;
    char *p = arena_zalloc(a, more * size);
    if (!p) return NULL;
    if (n > 0) memcpy(p, old, n * size);
    *cap = more;
    return p;
}

void machine_broken(const struct machine *m, const char *what)
{
    fail(ST_INPUT, "%s: broken pickle: %s, before byte %td", m->owner->file, what, m->p - m->start);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static status take(struct machine *m, size_t n, const unsigned char **p)
{
    if ((size_t)(m->end - m->p) < n) return broken(m, "it ends in the middle of an instruction");
    *p = m->p;
    m->p += n;
    return ST_OK;
}

/* A little-endian number of 1, 2, 4 or 8 bytes. */
static status take_unsigned(struct machine *m, size_t bytes, uint64_t *v)
{
    const unsigned char *p;
    TRY(take(m, bytes, &p));
    *v = 0;
    memcpy(v, p, bytes);
    return ST_OK;
}

status machine_line(struct machine *m, const unsigned char **line, size_t *n)
{
    const unsigned char *nl = memchr(m->p, '\n', (size_t)(m->end - m->p));
    if (!nl) return broken(m, "a line without end");
    *line = m->p;
    *n = (size_t)(nl - m->p);
    m->p = nl + 1;
    return ST_OK;
}

static status take_text_number(struct machine *m, char *buf, size_t size)
{
    const unsigned char *line;
    size_t n;
    TRY(machine_line(m, &line, &n));
    if (n >= size) return broken(m, "a number with too many digits");
    memcpy(buf, line, n);
    buf[n] = '\0';
    return ST_OK;
}

/* ---- stack and memo ---------------------------------------------------------------------------------------------- */

status machine_push(struct machine *m, struct pickle_value *v)
{
    if (m->depth == m->stack_cap) {
        m->stack = grown(m->owner->arena, m->stack, m->depth, &m->stack_cap, sizeof *m->stack);
        if (!m->stack) return ST_MEMORY;
    }
    m->stack[m->depth++] = v;
    return ST_OK;
}

static size_t floor_of(const struct machine *m)
{
    return m->marks > 0 ? m->mark[m->marks - 1] : 0;
}

status machine_pop(struct machine *m, struct pickle_value **v)
{
    if (m->depth <= floor_of(m)) return broken(m, "it takes a value from an empty stack");
    *v = m->stack[--m->depth];
    return ST_OK;
}

status machine_top(struct machine *m, struct pickle_value **v)
{
    TRY(machine_pop(m, v));
    m->depth++;
    return ST_OK;
}

static status push_mark(struct machine *m)
{
    if (m->marks == m->mark_cap) {
        m->mark = grown(m->owner->arena, m->mark, m->marks, &m->mark_cap, sizeof *m->mark);
        if (!m->mark) return ST_MEMORY;
    }
    m->mark[m->marks++] = m->depth;
    return ST_OK;
}

/* Takes everything above the last mark, and the mark. *v stays valid until the next push. */
static status pop_mark(struct machine *m, struct pickle_value ***v, size_t *n)
{
    if (m->marks == 0) return broken(m, "it looks for a mark where none is");
    size_t at = m->mark[--m->marks];
    *n = m->depth - at;
    *v = *n > 0 ? m->stack + at : NULL; /* the stack may not exist yet */
    m->depth = at;
    return ST_OK;
}

static status memo_put(struct machine *m, uint64_t i)
{
    struct pickle_value *v;
    TRY(machine_top(m, &v));
    /* Torch numbers its memo from 0 without gaps, so a number beyond the pickle's length is a trap for our memory. */
    if (i > (uint64_t)(m->end - m->start)) return broken(m, "a memo number is too large");
    while (i >= m->memo_cap) {
        m->memo = grown(m->owner->arena, m->memo, m->memo_cap, &m->memo_cap, sizeof *m->memo);
        if (!m->memo) return ST_MEMORY;
    }
    m->memo_count += m->memo[i] == NULL;
    m->memo[i] = v;
    return ST_OK;
}

static status memo_get(struct machine *m, uint64_t i)
{
    if (i >= m->memo_cap || !m->memo[i]) return broken(m, "it reads a memo that was never written");
    return machine_push(m, m->memo[i]);
}

static status memo_next(struct machine *m) /* MEMOIZE: the number of memos is the next one's number */
{
    return memo_put(m, m->memo_count);
}

static status memo_text(struct machine *m, bool put)
{
    char buf[24];
    long long i;
    TRY(take_text_number(m, buf, sizeof buf));
    if (!text_to_longlong(buf, &i) || i < 0) return broken(m, "a memo number is no number");
    return put ? memo_put(m, (uint64_t)i) : memo_get(m, (uint64_t)i);
}

static status memo_binary(struct machine *m, size_t bytes, bool put)
{
    uint64_t i;
    TRY(take_unsigned(m, bytes, &i));
    return put ? memo_put(m, i) : memo_get(m, i);
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

status machine_new(struct machine *m, enum pickle_kind kind, struct pickle_value **v)
{
    enum { SLAB = 128 };
    if (m->slab_left == 0) {
        ZNEW(m->slab, m->owner->arena, SLAB);
        m->slab_left = SLAB;
    }
    *v = &m->slab[--m->slab_left];
    (*v)->kind = kind;
    return ST_OK;
}

status machine_push_new(struct machine *m, enum pickle_kind kind, struct pickle_value **v)
{
    TRY(machine_new(m, kind, v));
    return machine_push(m, *v);
}

static status push_int(struct machine *m, enum pickle_kind kind, int64_t i)
{
    struct pickle_value *v;
    TRY(machine_push_new(m, kind, &v));
    v->i = i;
    return ST_OK;
}

static status push_none(struct machine *m)
{
    struct pickle_value *v;
    return machine_push_new(m, PICKLE_NONE, &v);
}

static status push_bytes(struct machine *m, enum pickle_kind kind, const unsigned char *p, size_t n)
{
    struct pickle_value *v;
    char *s;
    NEW(s, m->owner->arena, n + 1);
    memcpy(s, p, n);
    s[n] = '\0';
    TRY(machine_push_new(m, kind, &v));
    v->text.s = s;
    v->text.n = n;
    return ST_OK;
}

static status counted_string(struct machine *m, size_t length_bytes)
{
    uint64_t n;
    const unsigned char *p;
    TRY(take_unsigned(m, length_bytes, &n));
    if (n > (uint64_t)(m->end - m->p)) return broken(m, "a string is longer than the file");
    TRY(take(m, (size_t)n, &p));
    return push_bytes(m, PICKLE_STRING, p, (size_t)n);
}

/* Protocol 0: 'quoted' (STRING) or bare (UNICODE) to the end of the line. An escape would need Python's rules; the
 * names in weight files have none. */
static status line_string(struct machine *m, bool quoted)
{
    const unsigned char *s;
    size_t n;
    TRY(machine_line(m, &s, &n));
    if (quoted && (n < 2 || (s[0] != '\'' && s[0] != '"') || s[n - 1] != s[0]))
        return broken(m, "a string without quotes");
    if (quoted) s++, n -= 2;
    if (memchr(s, '\\', n)) return broken(m, "a string with escapes");
    return push_bytes(m, PICKLE_STRING, s, n);
}

static status signed_int(struct machine *m)
{
    uint64_t u;
    TRY(take_unsigned(m, 4, &u));
    return push_int(m, PICKLE_INT, (int32_t)(uint32_t)u);
}

static status unsigned_int(struct machine *m, size_t bytes)
{
    uint64_t u;
    TRY(take_unsigned(m, bytes, &u));
    return push_int(m, PICKLE_INT, (int64_t)u);
}

/* LONG1, LONG4: two's complement of any length. */
static status long_int(struct machine *m, size_t length_bytes)
{
    uint64_t n;
    const unsigned char *p;
    TRY(take_unsigned(m, length_bytes, &n));
    if (n > 64) return broken(m, "a whole number of more than 64 bytes");
    TRY(take(m, (size_t)n, &p));
    if (n > 8) return push_bytes(m, PICKLE_LONG, p, (size_t)n);
    uint64_t v = n > 0 && p[n - 1] & 0x80 ? UINT64_MAX : 0; /* the sign fills the upper bytes */
    memcpy(&v, p, (size_t)n);
    return push_int(m, PICKLE_INT, (int64_t)v);
}

/* INT: "I01" and "I00" are True and False; LONG ends in L. */
static status text_int(struct machine *m, bool is_long)
{
    char buf[32];
    long long i;
    TRY(take_text_number(m, buf, sizeof buf));
    size_t n = strlen(buf);
    if (is_long && n > 0 && buf[n - 1] == 'L') buf[n - 1] = '\0';
    if (!is_long && (strcmp(buf, "01") == 0 || strcmp(buf, "00") == 0)) return push_int(m, PICKLE_BOOL, buf[1] == '1');
    if (!text_to_longlong(buf, &i)) return broken(m, "a whole number is none or too large");
    return push_int(m, PICKLE_INT, i);
}

static status push_real(struct machine *m, double d)
{
    struct pickle_value *v;
    TRY(machine_push_new(m, PICKLE_REAL, &v));
    v->d = d;
    return ST_OK;
}

static status text_real(struct machine *m)
{
    char buf[64];
    double d;
    TRY(take_text_number(m, buf, sizeof buf));
    if (!text_to_double(buf, &d)) return broken(m, "a number is none");
    return push_real(m, d);
}

static status binary_real(struct machine *m) /* big-endian */
{
    uint64_t u;
    double d;
    TRY(take_unsigned(m, 8, &u));
    u = __builtin_bswap64(u);
    memcpy(&d, &u, sizeof d);
    return push_real(m, d);
}

/* ---- containers -------------------------------------------------------------------------------------------------- */

status machine_add(struct machine *m, struct pickle_value *to, struct pickle_value *const *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (to->seq.n == to->seq.cap) {
            to->seq.v = grown(m->owner->arena, to->seq.v, to->seq.n, &to->seq.cap, sizeof(struct pickle_value *));
            if (!to->seq.v) return ST_MEMORY;
        }
        to->seq.v[to->seq.n++] = v[i];
    }
    return ST_OK;
}

/* A new container of n values that were just popped: copied before the push can overwrite them. */
static status push_seq(struct machine *m, enum pickle_kind kind, struct pickle_value *const *v, size_t n)
{
    struct pickle_value *s;
    TRY(machine_new(m, kind, &s));
    TRY(machine_add(m, s, v, n));
    return machine_push(m, s);
}

static status marked_seq(struct machine *m, enum pickle_kind kind)
{
    struct pickle_value **v;
    size_t n;
    TRY(pop_mark(m, &v, &n));
    if (kind == PICKLE_DICT && n % 2) return broken(m, "a dictionary key without value");
    return push_seq(m, kind, v, n);
}

static status short_tuple(struct machine *m, size_t n)
{
    struct pickle_value *v[3];
    for (size_t i = n; i > 0; i--) TRY(machine_pop(m, &v[i - 1]));
    return push_seq(m, PICKLE_TUPLE, v, n);
}

/* APPEND(S), SETITEM(S): v goes into the container that is now on top. */
static status add_to_top(struct machine *m, enum pickle_kind kind, struct pickle_value *const *v, size_t n)
{
    struct pickle_value *to;
    TRY(machine_top(m, &to));
    if (to->kind != kind)
        return broken(m, kind == PICKLE_LIST ? "it appends to no list" : "it sets a key of no dictionary");
    if (kind == PICKLE_DICT && n % 2) return broken(m, "a dictionary key without value");
    return machine_add(m, to, v, n);
}

static status add_marked(struct machine *m, enum pickle_kind kind)
{
    struct pickle_value **v;
    size_t n;
    TRY(pop_mark(m, &v, &n));
    return add_to_top(m, kind, v, n);
}

static status add_popped(struct machine *m, enum pickle_kind kind, size_t n)
{
    struct pickle_value *v[2];
    for (size_t i = n; i > 0; i--) TRY(machine_pop(m, &v[i - 1]));
    return add_to_top(m, kind, v, n);
}

/* ---- the program ------------------------------------------------------------------------------------------------- */

static status duplicate(struct machine *m)
{
    struct pickle_value *v;
    TRY(machine_top(m, &v));
    return machine_push(m, v);
}

static status drop_marked(struct machine *m)
{
    struct pickle_value **v;
    size_t n;
    return pop_mark(m, &v, &n);
}

static status ignore(struct machine *m, size_t bytes)
{
    const unsigned char *p;
    return take(m, bytes, &p);
}

static status protocol(struct machine *m)
{
    uint64_t v;
    TRY(take_unsigned(m, 1, &v));
    return v <= 5 ? ST_OK : broken(m, "a protocol above 5");
}

static status execute(struct machine *m, unsigned char op)
{
    struct pickle_value *v;
    switch (op) {
    case 0x80: return protocol(m);
    case 0x95: return ignore(m, 8); /* FRAME: a hint for readers of streams */
    case '(': return push_mark(m);
    case '0': return machine_pop(m, &v);
    case '1': return drop_marked(m);
    case '2': return duplicate(m);
    case 'N': return push_none(m);
    case 0x88: return push_int(m, PICKLE_BOOL, 1);
    case 0x89: return push_int(m, PICKLE_BOOL, 0);
    case 'I': return text_int(m, false);
    case 'L': return text_int(m, true);
    case 'J': return signed_int(m);
    case 'K': return unsigned_int(m, 1);
    case 'M': return unsigned_int(m, 2);
    case 0x8A: return long_int(m, 1);
    case 0x8B: return long_int(m, 4);
    case 'F': return text_real(m);
    case 'G': return binary_real(m);
    case 'S': return line_string(m, true);
    case 'V': return line_string(m, false);
    case 'U': return counted_string(m, 1);
    case 'T': return counted_string(m, 4);
    case 0x8C: return counted_string(m, 1);
    case 'X': return counted_string(m, 4);
    case 0x8D: return counted_string(m, 8);
    case ']': return push_seq(m, PICKLE_LIST, NULL, 0);
    case '}': return push_seq(m, PICKLE_DICT, NULL, 0);
    case ')': return push_seq(m, PICKLE_TUPLE, NULL, 0);
    case 'l': return marked_seq(m, PICKLE_LIST);
    case 'd': return marked_seq(m, PICKLE_DICT);
    case 't': return marked_seq(m, PICKLE_TUPLE);
    case 0x85: return short_tuple(m, 1);
    case 0x86: return short_tuple(m, 2);
    case 0x87: return short_tuple(m, 3);
    case 'a': return add_popped(m, PICKLE_LIST, 1);
    case 'e': return add_marked(m, PICKLE_LIST);
    case 's': return add_popped(m, PICKLE_DICT, 2);
    case 'u': return add_marked(m, PICKLE_DICT);
    case 'p': return memo_text(m, true);
    case 'q': return memo_binary(m, 1, true);
    case 'r': return memo_binary(m, 4, true);
    case 0x94: return memo_next(m);
    case 'g': return memo_text(m, false);
    case 'h': return memo_binary(m, 1, false);
    case 'j': return memo_binary(m, 4, false);
    case 'c': return object_line_global(m);
    case 0x93: return object_stack_global(m);
    case 'Q': return object_persistent(m);
    case 'R': return object_reduce(m);
    case 'b': return object_build(m);
    default: break;
    }
    return fail(ST_INPUT, "%s: broken pickle: instruction 0x%02x at byte %td is none that weight files have",
                m->owner->file, op, m->p - m->start - 1);
}

status pickle_load(struct pickle *owner, const unsigned char *p, size_t n, struct pickle_value **out, size_t *used)
{
    size_t limit = n < pickle_max ? n : pickle_max;
    struct machine m = {.owner = owner, .start = p, .p = p, .end = p + limit};
    for (;;) {
        if (m.p == m.end)
            return limit < n ? fail(ST_INPUT, "%s: a pickle of more than %zu bytes", owner->file, pickle_max)
                             : broken(&m, "it ends without STOP");
        unsigned char op = *m.p++;
        if (op == '.') break;
        TRY(execute(&m, op));
    }
    TRY(machine_pop(&m, out));
    if (m.depth != 0 || m.marks != 0) return broken(&m, "values are left on the stack");
    *used = (size_t)(m.p - p);
    return ST_OK;
}
