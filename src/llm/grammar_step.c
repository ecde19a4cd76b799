/* One function for each kind of value moves its frame by a byte and says what that means for the
 * stack. A number ends only with the byte behind it, which is then given to what surrounds it. */
#include "llm/grammar_internal.h"

#include "base/mem.h"

typedef enum Outcome {
    DEAD,   /* the byte may not come here */
    TAKEN,  /* it may */
    ENDED,  /* and is the value's last */
    OVER,   /* the value ended before it */
    BEGINS, /* a value within this one begins with it */
} Outcome;

static bool is_digit(unsigned char c) {
    return c >= '0' && c <= '9';
}

static bool fits(const Grammar *g, size_t depth, uint16_t node) {
    return depth + g->nodes[node].levels <= GRAMMAR_MAX_FRAMES;
}

static Outcome go(GrammarFrame *f, uint8_t state) {
    f->state = state;
    f->space = 0;
    return TAKEN;
}

/* ---- objects and arrays ---- */

enum { AT_OPEN, AT_FIRST, AT_NAME, AT_COLON, AT_VALUE, AFTER_VALUE, AT_NEXT };

/* One space, or a line break and its indentation. */
static bool take_space(GrammarFrame *f, unsigned char c) {
    if (c == '\n' && f->space == 0) {
        f->space = 2;
        return true;
    }
    if (c != ' ' || f->space == 1 || f->space >= 2 + GRAMMAR_MAX_INDENT) return false;
    f->space = f->space == 0 ? 1 : f->space + 1;
    return true;
}

static Outcome step_root(const GrammarNode *node, GrammarFrame *f, unsigned char c,
                         uint16_t *ret_child) {
    if (f->state != AT_VALUE) return DEAD;
    if (take_space(f, c)) return TAKEN;
    go(f, AFTER_VALUE);
    *ret_child = node->child;
    return BEGINS;
}

static Outcome begin_element(const GrammarNode *node, GrammarFrame *f, uint16_t *ret_child) {
    uint16_t most = node->max == GRAMMAR_MAX_COUNT ? node->min : node->max;
    if (node->max == 0) return DEAD;
    if (f->count < most) f->count++;
    go(f, AFTER_VALUE);
    *ret_child = node->child;
    return BEGINS;
}

static Outcome step_array(const GrammarNode *node, GrammarFrame *f, unsigned char c,
                          uint16_t *ret_child) {
    if (f->state == AT_OPEN) return c == '[' ? go(f, AT_FIRST) : DEAD;
    if (take_space(f, c)) return TAKEN;
    if (c == ']' && f->state != AT_VALUE) return f->count >= node->min ? ENDED : DEAD;
    if (f->state != AFTER_VALUE) return begin_element(node, f, ret_child);
    bool more = node->max == GRAMMAR_MAX_COUNT || f->count < node->max;
    return c == ',' && more ? go(f, AT_VALUE) : DEAD;
}

static Outcome step_map(const Grammar *g, const GrammarNode *node, size_t depth, GrammarFrame *f,
                        unsigned char c, uint16_t *ret_child) {
    if (f->state == AT_OPEN) return c == '{' ? go(f, AT_FIRST) : DEAD;
    if (f->state == AT_COLON) return c == ':' ? go(f, AT_VALUE) : DEAD;
    if (take_space(f, c)) return TAKEN;
    switch (f->state) {
    case AT_FIRST:
        if (c == '}') return ENDED;
        /* fall through */
    case AT_NEXT:
        if (c != '"' || !fits(g, depth, node->child)) return DEAD;
        go(f, AT_COLON);
        *ret_child = NODE_ANY_STRING;
        return BEGINS;
    case AT_VALUE:
        go(f, AFTER_VALUE);
        *ret_child = node->child;
        return BEGINS;
    default: return c == '}' ? ENDED : c == ',' ? go(f, AT_NEXT) : DEAD;
    }
}

/* The first item from f->count on that begins as the one there does, for f->at bytes, and goes on
 * with c; n where there is none. Where it is a property, it is none behind a required one. */
static uint32_t find_item(const Grammar *g, const GrammarNode *node, size_t depth,
                          const GrammarFrame *f, unsigned char c) {
    const GrammarItem *items = g->items + node->first;
    for (uint32_t i = f->count; i < node->n; i++) {
        bool usable = node->kind != NODE_OBJECT || fits(g, depth, items[i].node);
        if (usable && f->at < items[i].text.n && (unsigned char)items[i].text.p[f->at] == c &&
            slice_starts(items[i].text, (Slice){ items[f->count].text.p, f->at })) {
            return i;
        }
        if (items[i].required) break;
    }
    return node->n;
}

/* Names begin with a quote, so that asking for one asks for any. */
static bool has_property(const Grammar *g, const GrammarNode *node, size_t depth,
                         const GrammarFrame *f) {
    GrammarFrame from = { .count = f->count };
    return find_item(g, node, depth, &from, '"') < node->n;
}

static Outcome step_name(const Grammar *g, const GrammarNode *node, size_t depth, GrammarFrame *f,
                         unsigned char c) {
    uint32_t i = find_item(g, node, depth, f, c);
    if (i == node->n) return DEAD;
    f->count = (uint16_t)i;
    f->at++;
    go(f, AT_NAME);
    if (f->at < g->items[node->first + i].text.n) return TAKEN;
    f->count++;
    f->at = 0;
    return go(f, AT_VALUE);
}

static Outcome step_object(const Grammar *g, const GrammarNode *node, size_t depth, GrammarFrame *f,
                           unsigned char c, uint16_t *ret_child) {
    if (f->state == AT_OPEN) return c == '{' ? go(f, AT_FIRST) : DEAD;
    if (f->state == AT_NAME) return step_name(g, node, depth, f, c);
    if (take_space(f, c)) return TAKEN;
    bool may_end = f->count >= node->n_required;
    switch (f->state) {
    case AT_FIRST:
        if (c == '}') return may_end ? ENDED : DEAD;
        /* fall through */
    case AT_NEXT: return step_name(g, node, depth, f, c);
    case AT_VALUE:
        go(f, AFTER_VALUE);
        *ret_child = g->items[node->first + f->count - 1].node;
        return BEGINS;
    default:
        if (c == '}') return may_end ? ENDED : DEAD;
        return c == ',' && has_property(g, node, depth, f) ? go(f, AT_NEXT) : DEAD;
    }
}

/* ---- strings ---- */

enum {
    STRING_OPEN,
    STRING_TEXT,
    STRING_ESCAPE,
    STRING_HEX,       /* `at` hexadecimal digits are left */
    STRING_HEX_D,     /* behind "\ud" */
    STRING_LOW,       /* behind the high half of a pair: "\" is due */
    STRING_LOW_U,     /* "u" is due */
    STRING_LOW_D,     /* "d" is due */
    STRING_LOW_DIGIT, /* "c" to "f" is due */
    STRING_HIGH,      /* `at` digits of the high half are left */
    STRING_TAIL,      /* `at` bytes of a character are left */
    STRING_TAIL_E0,   /* as many, the first of which has a narrower range */
    STRING_TAIL_ED,
    STRING_TAIL_F0,
    STRING_TAIL_F4,
};

static bool is_hex(unsigned char c) {
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static Outcome wait_for(GrammarFrame *f, uint8_t state, uint16_t left) {
    f->at = left;
    return go(f, left ? state : STRING_TEXT);
}

/* The first byte of a character. */
static Outcome step_character(const GrammarNode *node, GrammarFrame *f, unsigned char c) {
    bool is_full = node->max != GRAMMAR_MAX_COUNT && f->count >= node->max;
    if (is_full || c < 0x20) return DEAD;
    uint16_t most = node->max == GRAMMAR_MAX_COUNT ? node->min : node->max;
    if (f->count < most) f->count++;
    if (c == '\\') return go(f, STRING_ESCAPE);
    if (c < 0x80) return TAKEN;
    if (c < 0xC2 || c > 0xF4) return DEAD;
    if (c < 0xE0) return wait_for(f, STRING_TAIL, 1);
    if (c < 0xF0) {
        return wait_for(f,
                        c == 0xE0   ? STRING_TAIL_E0
                        : c == 0xED ? STRING_TAIL_ED
                                    : STRING_TAIL,
                        2);
    }
    return wait_for(f, c == 0xF0 ? STRING_TAIL_F0 : c == 0xF4 ? STRING_TAIL_F4 : STRING_TAIL, 3);
}

static Outcome step_tail(GrammarFrame *f, unsigned char c) {
    unsigned char least = f->state == STRING_TAIL_E0   ? 0xA0
                          : f->state == STRING_TAIL_F0 ? 0x90
                                                       : 0x80;
    unsigned char most = f->state == STRING_TAIL_ED   ? 0x9F
                         : f->state == STRING_TAIL_F4 ? 0x8F
                                                      : 0xBF;
    return c >= least && c <= most ? wait_for(f, STRING_TAIL, f->at - 1) : DEAD;
}

/* Halves of pairs come only as pairs: alone they are no characters. */
static Outcome step_escape(GrammarFrame *f, unsigned char c) {
    unsigned char low = c | 0x20;
    switch (f->state) {
    case STRING_ESCAPE:
        if (c == 'u') return wait_for(f, STRING_HEX, 4);
        return c && strchr("\"\\/bfnrt", c) ? go(f, STRING_TEXT) : DEAD;
    case STRING_HEX:
        if (!is_hex(c)) return DEAD;
        if (f->at == 4 && low == 'd') return go(f, STRING_HEX_D);
        return wait_for(f, STRING_HEX, f->at - 1);
    case STRING_HEX_D:
        if (!is_hex(c) || (low >= 'c' && low <= 'f')) return DEAD;
        return wait_for(f, c >= '8' ? STRING_HIGH : STRING_HEX, 2);
    case STRING_HIGH:
        if (!is_hex(c)) return DEAD;
        return --f->at ? TAKEN : go(f, STRING_LOW);
    case STRING_LOW: return c == '\\' ? go(f, STRING_LOW_U) : DEAD;
    case STRING_LOW_U: return c == 'u' ? go(f, STRING_LOW_D) : DEAD;
    case STRING_LOW_D: return low == 'd' ? go(f, STRING_LOW_DIGIT) : DEAD;
    default: return low >= 'c' && low <= 'f' ? wait_for(f, STRING_HEX, 2) : DEAD;
    }
}

static Outcome step_string(const GrammarNode *node, GrammarFrame *f, unsigned char c) {
    if (f->state == STRING_OPEN) return c == '"' ? go(f, STRING_TEXT) : DEAD;
    if (f->state >= STRING_TAIL) return step_tail(f, c);
    if (f->state != STRING_TEXT) return step_escape(f, c);
    if (c == '"') return f->count >= node->min ? ENDED : DEAD;
    return step_character(node, f, c);
}

/* ---- numbers and given texts ---- */

enum {
    NUMBER_OPEN,
    NUMBER_MINUS,
    NUMBER_ZERO,
    NUMBER_WHOLE,
    NUMBER_POINT,
    NUMBER_FRACTION,
    NUMBER_E,
    NUMBER_SIGN,
    NUMBER_EXPONENT,
};

static bool is_number(const GrammarFrame *f) {
    return f->state == NUMBER_ZERO || f->state == NUMBER_WHOLE || f->state == NUMBER_FRACTION ||
           f->state == NUMBER_EXPONENT;
}

static Outcome digit(GrammarFrame *f, uint8_t state) {
    f->count = f->state == state ? f->count + 1 : 1;
    return go(f, state);
}

static Outcome step_digit(GrammarFrame *f, unsigned char c) {
    switch (f->state) {
    case NUMBER_OPEN:
    case NUMBER_MINUS: return digit(f, c == '0' ? NUMBER_ZERO : NUMBER_WHOLE);
    case NUMBER_WHOLE: return f->count < GRAMMAR_MAX_DIGITS ? digit(f, NUMBER_WHOLE) : DEAD;
    case NUMBER_POINT: return digit(f, NUMBER_FRACTION);
    case NUMBER_FRACTION: return f->count < GRAMMAR_MAX_DIGITS ? digit(f, NUMBER_FRACTION) : DEAD;
    case NUMBER_E:
    case NUMBER_SIGN: return digit(f, NUMBER_EXPONENT);
    case NUMBER_EXPONENT: return f->count < 2 ? digit(f, NUMBER_EXPONENT) : DEAD;
    default: return DEAD; /* nothing behind a leading 0 */
    }
}

static Outcome step_number(const GrammarNode *node, GrammarFrame *f, unsigned char c) {
    bool is_integer = node->kind == NODE_INTEGER;
    bool is_whole = f->state == NUMBER_ZERO || f->state == NUMBER_WHOLE;
    if (is_digit(c)) return step_digit(f, c);
    if (c == '-' && f->state == NUMBER_OPEN) return go(f, NUMBER_MINUS);
    if (c == '.' && is_whole && !is_integer) return go(f, NUMBER_POINT);
    if ((c | 0x20) == 'e' && is_number(f) && f->state != NUMBER_EXPONENT && !is_integer) {
        return go(f, NUMBER_E);
    }
    if ((c == '-' || c == '+') && f->state == NUMBER_E) return go(f, NUMBER_SIGN);
    return is_number(f) ? OVER : DEAD;
}

/* Whether one of the texts is what has been written, and whether one goes on from there. */
static void look(const Grammar *g, const GrammarNode *node, const GrammarFrame *f, bool *ret_whole,
                 bool *ret_longer) {
    const GrammarItem *items = g->items + node->first;
    Slice so_far = { items[f->count].text.p, f->at };
    *ret_whole = *ret_longer = false;
    for (uint32_t i = f->count; i < node->n; i++) {
        if (!slice_starts(items[i].text, so_far)) continue;
        *(items[i].text.n == f->at ? ret_whole : ret_longer) = true;
    }
}

/* Only numbers can be the beginnings of others; what follows them is no part of a number. */
static Outcome step_one_of(const Grammar *g, const GrammarNode *node, GrammarFrame *f,
                           unsigned char c) {
    bool whole, longer;
    uint32_t i = find_item(g, node, 0, f, c);
    if (i == node->n) {
        look(g, node, f, &whole, &longer);
        return f->at && whole ? OVER : DEAD;
    }
    f->count = (uint16_t)i;
    f->at++;
    look(g, node, f, &whole, &longer);
    return whole && !longer ? ENDED : TAKEN;
}

/* ---- threads ---- */

static Outcome step_frame(const Grammar *g, GrammarThread *t, unsigned char c,
                          uint16_t *ret_child) {
    GrammarFrame *f = &t->frames[t->depth - 1];
    const GrammarNode *node = &g->nodes[f->node];
    switch (node->kind) {
    case NODE_ROOT: return step_root(node, f, c, ret_child);
    case NODE_OBJECT: return step_object(g, node, t->depth, f, c, ret_child);
    case NODE_MAP: return step_map(g, node, t->depth, f, c, ret_child);
    case NODE_ARRAY: return step_array(node, f, c, ret_child);
    case NODE_STRING: return step_string(node, f, c);
    case NODE_NUMBER:
    case NODE_INTEGER: return step_number(node, f, c);
    case NODE_ONE_OF: return step_one_of(g, node, f, c);
    case NODE_CHOICE: break;
    }
    return DEAD;
}

static void copy(GrammarThread *to, const GrammarThread *from) {
    to->depth = from->depth;
    memcpy(to->frames, from->frames, from->depth * sizeof *from->frames);
}

/* Alternatives that have come to the same place go on as one. */
static void add(GrammarThreads *threads, const GrammarThread *t) {
    for (size_t i = 0; i < threads->n; i++) {
        const GrammarThread *other = &threads->threads[i];
        if (other->depth == t->depth &&
            memcmp(other->frames, t->frames, t->depth * sizeof *t->frames) == 0) {
            return;
        }
    }
    if (threads->n < GRAMMAR_MAX_THREADS) copy(&threads->threads[threads->n++], t);
}

/* Returns the child that begins with c, or NODE_AT_ROOT where there is nothing more to do. */
static uint16_t step_thread(const Grammar *g, GrammarThread *t, unsigned char c,
                            GrammarThreads *ret) {
    for (;;) {
        uint16_t child = NODE_AT_ROOT;
        Outcome outcome = step_frame(g, t, c, &child);
        if (outcome == OVER) {
            t->depth--;
            continue;
        }
        if (outcome == BEGINS) return child;
        if (outcome == ENDED) t->depth--;
        if (outcome != DEAD) add(ret, t);
        return NODE_AT_ROOT;
    }
}

static void begin_value(const Grammar *g, const GrammarThread *t, uint16_t node, unsigned char c,
                        GrammarThreads *ret) {
    if (!fits(g, t->depth, node)) return;
    GrammarThread within;
    copy(&within, t);
    within.frames[within.depth++] = (GrammarFrame){ .node = node };
    /* A value's first byte is its own: nothing begins within it yet. */
    step_thread(g, &within, c, ret);
}

void grammar_step(const Grammar *g, const GrammarThreads *threads, unsigned char c,
                  GrammarThreads *ret) {
    ret->n = 0;
    for (size_t i = 0; i < threads->n; i++) {
        GrammarThread t;
        copy(&t, &threads->threads[i]);
        uint16_t child = step_thread(g, &t, c, ret);
        if (child == NODE_AT_ROOT) continue;
        const GrammarNode *node = &g->nodes[child];
        if (node->kind != NODE_CHOICE) {
            begin_value(g, &t, child, c, ret);
            continue;
        }
        for (uint32_t k = 0; k < node->n; k++) {
            begin_value(g, &t, g->items[node->first + k].node, c, ret);
        }
    }
}

void grammar_begin(GrammarThreads *ret) {
    ret->n = 1;
    ret->threads[0].depth = 1;
    ret->threads[0].frames[0] = (GrammarFrame){ .node = NODE_AT_ROOT, .state = AT_VALUE };
}

static bool can_thread_end(const Grammar *g, const GrammarThread *t) {
    const GrammarFrame *f = &t->frames[t->depth - 1];
    const GrammarNode *node = &g->nodes[f->node];
    if (t->depth == 1) return f->state == AFTER_VALUE;
    if (t->depth > 2) return false;
    if (node->kind == NODE_NUMBER || node->kind == NODE_INTEGER) return is_number(f);
    if (node->kind != NODE_ONE_OF) return false;
    bool whole, longer;
    look(g, node, f, &whole, &longer);
    return whole;
}

bool grammar_can_end(const Grammar *g, const GrammarThreads *threads) {
    for (size_t i = 0; i < threads->n; i++) {
        if (can_thread_end(g, &threads->threads[i])) return true;
    }
    return false;
}

bool grammar_in_text(const Grammar *g, const GrammarThread *t, size_t *ret_room) {
    const GrammarFrame *f = &t->frames[t->depth - 1];
    const GrammarNode *node = &g->nodes[f->node];
    if (node->kind != NODE_STRING || f->state != STRING_TEXT) return false;
    *ret_room = node->max == GRAMMAR_MAX_COUNT ? SIZE_MAX : (size_t)(node->max - f->count);
    return true;
}

bool grammar_matches(const Grammar *g, Slice text) {
    GrammarThreads now, next;
    grammar_begin(&now);
    for (size_t i = 0; i < text.n && now.n; i++) {
        grammar_step(g, &now, (unsigned char)text.p[i], &next);
        now = next;
    }
    return grammar_can_end(g, &now);
}
