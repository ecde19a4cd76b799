/* A state machine over bytes, run over a token's bytes as a whole. Only three sets of pieces can
 * ever break the rule, and they are collected once:
 *   inside   "[" followed by a digit within the piece: may be wrong in any state
 *   digits   begin with a digit: may be wrong behind "[" or "[1"
 *   closing  begin with "]": with the digits, all that may come behind "[1"
 * Everything else is allowed outside of a marker without being looked at. */
#include "answer/citation.h"

#include "base/mem.h"

#include <stdlib.h>

typedef struct IdList {
    int32_t *ids;
    size_t n, capacity;
} IdList;

struct CitationTable {
    Buf text;      /* of all pieces, one behind the other */
    size_t *start; /* [n + 1] where each begins in it */
    size_t n;
    IdList inside, digits, closing;
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* ---- the machine ---- */

/* Whether some number from 1 to n begins with the digits of value (or is it). */
static bool is_beginning(size_t value, size_t n) {
    return value >= 1 && value <= n;
}

/* One byte further; false where it breaks the rule. */
static bool step(CitationState *s, char c) {
    if (!s->is_open) {
        s->is_open = c == '[';
        s->value = 0;
        return true;
    }
    if (is_digit(c)) {
        s->value = s->value * 10 + (size_t)(c - '0');
        return is_beginning(s->value, s->n_passages);
    }
    bool whole = s->value == 0 || c == ']';
    s->is_open = c == '[';
    s->value = 0;
    return whole;
}

static bool run(CitationState *s, Slice bytes) {
    for (size_t i = 0; i < bytes.n; i++) {
        if (!step(s, bytes.p[i])) return false;
    }
    return true;
}

/* ---- the table ---- */

static Status add(IdList *list, int32_t id, Err *err) {
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 64;
        int32_t *grown = realloc(list->ids, capacity * sizeof *grown);
        if (!grown) return err_set(err, STATUS_NO_MEMORY, "out of memory for citations");
        list->ids = grown;
        list->capacity = capacity;
    }
    list->ids[list->n++] = id;
    return STATUS_OK;
}

static bool has_inside(Slice s) {
    for (size_t i = 0; i + 1 < s.n; i++) {
        if (s.p[i] == '[' && is_digit(s.p[i + 1])) return true;
    }
    return false;
}

static Slice text_of(const CitationTable *t, int32_t id) {
    if (id < 0 || (size_t)id >= t->n) return SLICE_NULL;
    size_t start = t->start[id];
    return (Slice){ t->text.p + start, t->start[id + 1] - start };
}

static Status fill(CitationTable *t, const Vocab *vocab, Err *err) {
    t->n = vocab_size(vocab);
    t->start = mem_alloc(t->n + 1, sizeof *t->start);
    if (!t->start) return err_set(err, STATUS_NO_MEMORY, "out of memory for citations");
    for (size_t i = 0; i < t->n; i++) {
        int32_t id = (int32_t)i;
        t->start[i] = t->text.n;
        TRY(tokenizer_decode(vocab, &id, 1, DETOKENIZE_CONTINUED, &t->text, err));
    }
    t->start[t->n] = t->text.n;
    TRY(buf_status(&t->text, err));
    for (size_t i = 0; i < t->n; i++) {
        Slice text = text_of(t, (int32_t)i);
        if (!text.n) continue;
        if (has_inside(text)) TRY(add(&t->inside, (int32_t)i, err));
        if (is_digit(text.p[0])) TRY(add(&t->digits, (int32_t)i, err));
        if (text.p[0] == ']') TRY(add(&t->closing, (int32_t)i, err));
    }
    return STATUS_OK;
}

CitationTable *citation_table_free(CitationTable *table) {
    if (!table) return NULL;
    buf_deinit(&table->text);
    free(table->start);
    free(table->inside.ids);
    free(table->digits.ids);
    free(table->closing.ids);
    free(table);
    return NULL;
}

Status citation_table_new(const Vocab *vocab, CitationTable **ret, Err *err) {
    CitationTable *table = mem_alloc(1, sizeof *table);
    if (!table) return err_set(err, STATUS_NO_MEMORY, "out of memory for citations");
    Status status = fill(table, vocab, err);
    if (status == STATUS_OK)
        *ret = table;
    else
        citation_table_free(table);
    return status;
}

/* ---- constraining ---- */

static bool is_allowed(const CitationState *state, int32_t id) {
    Slice text = text_of(state->table, id);
    CitationState after = *state;
    return text.n && run(&after, text);
}

static void forbid_wrong(const CitationState *state, const IdList *list, SamplerMask *mask) {
    for (size_t i = 0; i < list->n; i++) {
        if ((size_t)list->ids[i] >= mask->n_ids) continue;
        if (!is_allowed(state, list->ids[i])) sampler_mask_forbid(mask, list->ids[i]);
    }
}

static void keep_right(const CitationState *state, const IdList *list, SamplerMask *mask) {
    for (size_t i = 0; i < list->n; i++) {
        if ((size_t)list->ids[i] >= mask->n_ids) continue;
        if (is_allowed(state, list->ids[i])) sampler_mask_allow(mask, list->ids[i]);
    }
}

void citation_allow(const CitationState *state, SamplerMask *mask) {
    const CitationTable *t = state->table;
    if (state->is_open && state->value) {
        sampler_mask_forbid_all(mask);
        keep_right(state, &t->digits, mask);
        keep_right(state, &t->closing, mask);
        return;
    }
    forbid_wrong(state, &t->inside, mask);
    if (state->is_open) forbid_wrong(state, &t->digits, mask);
}

void citation_accept(CitationState *state, int32_t id) {
    run(state, text_of(state->table, id));
}

static void allow_cb(void *context, SamplerMask *mask) {
    citation_allow(context, mask);
}

static void accept_cb(void *context, int32_t id) {
    citation_accept(context, id);
}

GeneratorConstraint citation_constraint(CitationState *state) {
    return (GeneratorConstraint){ allow_cb, accept_cb, state };
}

/* ---- reading back ---- */

/* Bytes of a marker at the start of s, its number in *ret; 0 where there is none. */
static size_t marker(Slice s, size_t *ret) {
    size_t n = 1, value = 0;
    if (s.n < 3 || s.p[0] != '[') return 0;
    while (n < s.n && is_digit(s.p[n])) {
        value = MIN(value * 10 + (size_t)(s.p[n] - '0'), (size_t)CITATION_MAX_NUMBER + 1);
        n++;
    }
    if (n == 1 || n == s.n || s.p[n] != ']') return 0;
    *ret = value;
    return n + 1;
}

static void note(CitationMarks *marks, size_t number, size_t n_passages) {
    if (number < 1 || number > n_passages) {
        marks->n_wrong++;
        return;
    }
    for (size_t i = 0; i < marks->n; i++) {
        if (marks->numbers[i] == number) return;
    }
    marks->numbers[marks->n++] = number;
}

Status citation_parse(Slice text, size_t n_passages, Arena *arena, Buf *ret_text,
                      CitationMarks *ret, Err *err) {
    CitationMarks marks = { .numbers = arena_alloc(arena, text.n / 3 + 1, sizeof(size_t)) };
    if (!marks.numbers) return err_set(err, STATUS_NO_MEMORY, "out of memory for citations");
    size_t begin = ret_text->n;
    while (text.n) {
        size_t number, n = marker(text, &number);
        if (!n) {
            buf_append_byte(ret_text, text.p[0]);
            text = slice_skip(text, 1);
            continue;
        }
        note(&marks, number, n_passages);
        while (ret_text->n > begin && ret_text->p[ret_text->n - 1] == ' ') ret_text->n--;
        text = slice_skip(text, n);
    }
    TRY(buf_status(ret_text, err));
    *ret = marks;
    return STATUS_OK;
}
