/* Which tokens may come: the pieces in the order of their bytes are run through the automaton, and
 * what two neighbours begin with alike is run once. Most of a vocabulary is plain text, and most of
 * a document is strings: within one, pieces without quote, backslash or control character are
 * allowed by the word of the bit mask, and only the few others are run. */
#include "llm/grammar_internal.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "llm/vocab_internal.h"

enum {
    MAX_PIECE = 64, /* bytes; longer pieces are never chosen */
    MAX_CHARACTERS = MAX_PIECE,
};

typedef struct PieceList {
    int32_t *ids;    /* [n] in the order of their bytes */
    uint8_t *shared; /* [n] bytes that each has in common with the one before */
    size_t n;
} PieceList;

struct GrammarTable {
    Buf text;      /* of all pieces, one behind the other */
    size_t *start; /* [n_ids + 1] where each begins in it */
    size_t n_ids;
    PieceList all, special; /* special: those that are not plain text */
    uint64_t *plain;        /* a bit an id */
    uint8_t *n_characters;  /* [n_ids] of plain pieces */
    int32_t *ends;          /* [n_ends] tokens that end a text */
    size_t n_ends;
    bool spells; /* there is a piece for each single byte of UTF-8 */
};

struct GrammarState {
    const Grammar *g;
    const GrammarTable *table;
    int32_t end;
    GrammarThreads now;
    GrammarThreads levels[MAX_PIECE + 1]; /* after so many bytes of the piece that is run */
};

static Slice text_of(const GrammarTable *t, int32_t id) {
    if (id < 0 || (size_t)id >= t->n_ids) return SLICE_NULL;
    size_t start = t->start[id];
    return (Slice){ t->text.p + start, t->start[id + 1] - start };
}

/* ---- the table ---- */

/* What a token adds to the text; empty for what must not be chosen. A piece of SentencePiece that
 * is no byte and ends within a character would not come out as its bytes. */
static Slice bytes_of(const Vocab *vocab, int32_t id) {
    const VocabPiece *piece = &vocab->pieces[id];
    bool is_text = piece->type == VOCAB_NORMAL || piece->type == VOCAB_USER_DEFINED ||
                   piece->type == VOCAB_BYTE;
    if (!is_text || piece->ends_text || piece->bytes.n > MAX_PIECE) return SLICE_NULL;
    bool may_break = vocab->kind == VOCAB_BYTE_BPE || piece->type == VOCAB_BYTE;
    if (!may_break && utf8_valid_length(piece->bytes) < piece->bytes.n) return SLICE_NULL;
    return piece->bytes;
}

/* Characters of a piece that is plain text of a string; 0 for any other. */
static size_t count_plain(Slice s) {
    size_t n = 0;
    if (utf8_valid_length(s) < s.n) return 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == '"' || c == '\\') return 0;
        n += (c & 0xC0) != 0x80;
    }
    return n;
}

static void note_plain(GrammarTable *t) {
    for (size_t i = 0; i < t->n_ids; i++) {
        t->n_characters[i] = (uint8_t)count_plain(text_of(t, (int32_t)i));
        if (t->n_characters[i]) t->plain[i / 64] |= (uint64_t)1 << i % 64;
    }
}

static bool is_plain(const GrammarTable *t, int32_t id) {
    return t->n_characters[id] > 0;
}

static int compare(const void *a, const void *b, void *table) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    Slice s = text_of(table, x), t = text_of(table, y);
    int order = memcmp(s.p, t.p, MIN(s.n, t.n));
    if (order) return order;
    return s.n != t.n ? (s.n < t.n ? -1 : 1) : (x > y) - (x < y);
}

static void note_shared(const GrammarTable *t, PieceList *list) {
    for (size_t i = 1; i < list->n; i++) {
        Slice a = text_of(t, list->ids[i - 1]), b = text_of(t, list->ids[i]);
        size_t n = 0, most = MIN(a.n, b.n);
        while (n < most && a.p[n] == b.p[n]) n++;
        list->shared[i] = (uint8_t)n;
    }
}

static bool has_byte(const GrammarTable *t, unsigned char c) {
    for (size_t i = 0; i < t->all.n; i++) {
        Slice s = text_of(t, t->all.ids[i]);
        if (s.n == 1 && (unsigned char)s.p[0] == c) return true;
    }
    return false;
}

/* With a piece for each byte, whatever may come can come. */
static bool spells_all(const GrammarTable *t) {
    for (unsigned c = 0x20; c <= 0xF4; c++) {
        bool used = c != 0x7F && c != 0xC0 && c != 0xC1;
        if (used && !has_byte(t, (unsigned char)c)) return false;
    }
    return true;
}

static bool allocate_list(PieceList *list, size_t n) {
    list->ids = mem_alloc(n, sizeof *list->ids);
    list->shared = mem_alloc(n, sizeof *list->shared);
    return list->ids && list->shared;
}

static bool allocate(GrammarTable *t) {
    t->start = mem_alloc(t->n_ids + 1, sizeof *t->start);
    t->plain = mem_alloc((t->n_ids + 63) / 64, sizeof *t->plain);
    t->n_characters = mem_alloc(t->n_ids, sizeof *t->n_characters);
    t->ends = mem_alloc(t->n_ids, sizeof *t->ends);
    return t->start && t->plain && t->n_characters && t->ends && allocate_list(&t->all, t->n_ids) &&
           allocate_list(&t->special, t->n_ids);
}

static Status fill(GrammarTable *t, const Vocab *vocab, Err *err) {
    t->n_ids = vocab_size(vocab);
    if (!allocate(t)) return err_set(err, STATUS_NO_MEMORY, "no memory for a vocabulary's order");
    for (size_t i = 0; i < t->n_ids; i++) {
        int32_t id = (int32_t)i;
        t->start[i] = t->text.n;
        buf_append_slice(&t->text, bytes_of(vocab, id));
        if (t->text.n > t->start[i]) t->all.ids[t->all.n++] = id;
        if (vocab_ends_text(vocab, id) && id != vocab_bos(vocab)) t->ends[t->n_ends++] = id;
    }
    t->start[t->n_ids] = t->text.n;
    TRY(buf_status(&t->text, err));
    note_plain(t);
    qsort_r(t->all.ids, t->all.n, sizeof *t->all.ids, compare, t);
    for (size_t i = 0; i < t->all.n; i++) {
        if (!is_plain(t, t->all.ids[i])) t->special.ids[t->special.n++] = t->all.ids[i];
    }
    note_shared(t, &t->all);
    note_shared(t, &t->special);
    t->spells = spells_all(t);
    return STATUS_OK;
}

GrammarTable *grammar_table_free(GrammarTable *t) {
    if (!t) return NULL;
    buf_deinit(&t->text);
    free(t->start);
    free(t->all.ids);
    free(t->all.shared);
    free(t->special.ids);
    free(t->special.shared);
    free(t->plain);
    free(t->n_characters);
    free(t->ends);
    free(t);
    return NULL;
}

Status grammar_table_new(const Vocab *vocab, GrammarTable **ret, Err *err) {
    GrammarTable *t = mem_alloc(1, sizeof *t);
    if (!t) return err_set(err, STATUS_NO_MEMORY, "no memory for a vocabulary's order");
    Status status = fill(t, vocab, err);
    if (status == STATUS_OK)
        *ret = t;
    else
        grammar_table_free(t);
    return status;
}

/* ---- a text ---- */

Status grammar_state_new(const Grammar *g, const GrammarTable *table, int32_t end,
                         GrammarState **ret, Err *err) {
    if (!table->spells || (!table->n_ends && end == VOCAB_NO_ID)) {
        return err_set_param(
            err, STATUS_UNSUPPORTED, "response_format", "the model's vocabulary %s",
            table->spells ? "has no token that ends a text" : "has no pieces for single bytes");
    }
    GrammarState *s = mem_alloc(1, sizeof *s);
    if (!s) return err_set(err, STATUS_NO_MEMORY, "no memory for a grammar");
    s->g = g;
    s->table = table;
    s->end = end;
    grammar_begin(&s->now);
    *ret = s;
    return STATUS_OK;
}

GrammarState *grammar_state_free(GrammarState *s) {
    free(s);
    return NULL;
}

static void permit(SamplerMask *mask, int32_t id) {
    if (id >= 0 && (size_t)id < mask->n_ids) sampler_mask_allow(mask, id);
}

/* Allow the list's pieces that the threads in levels[0] take. */
static void run_list(GrammarState *s, const PieceList *list, SamplerMask *mask) {
    size_t n_good = 0; /* bytes of the piece before that were taken */
    for (size_t i = 0; i < list->n; i++) {
        size_t at = list->shared[i];
        if (at > n_good) continue; /* begins with what the one before failed at */
        Slice text = text_of(s->table, list->ids[i]);
        while (at < text.n) {
            grammar_step(s->g, &s->levels[at], (unsigned char)text.p[at], &s->levels[at + 1]);
            if (!s->levels[at + 1].n) break;
            at++;
        }
        n_good = at;
        if (at == text.n) permit(mask, list->ids[i]);
    }
}

static void permit_plain(const GrammarTable *t, size_t room, SamplerMask *mask) {
    size_t n = MIN(t->n_ids, mask->n_ids);
    if (room >= MAX_CHARACTERS && n == t->n_ids) {
        for (size_t i = 0; i < (n + 63) / 64; i++) mask->bits[i] |= t->plain[i];
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (t->n_characters[i] && t->n_characters[i] <= room) permit(mask, (int32_t)i);
    }
}

/* Threads are asked one by one: what one of them takes may come. */
void grammar_allow(GrammarState *s, SamplerMask *mask) {
    const GrammarTable *t = s->table;
    sampler_mask_forbid_all(mask);
    for (size_t i = 0; i < s->now.n; i++) {
        size_t room;
        s->levels[0].n = 1;
        s->levels[0].threads[0] = s->now.threads[i];
        bool in_text = grammar_in_text(s->g, &s->now.threads[i], &room);
        if (in_text) permit_plain(t, room, mask);
        run_list(s, in_text ? &t->special : &t->all, mask);
    }
    if (!grammar_can_end(s->g, &s->now)) return;
    permit(mask, s->end);
    for (size_t i = 0; i < t->n_ends; i++) permit(mask, t->ends[i]);
}

void grammar_accept(GrammarState *s, int32_t id) {
    Slice text = text_of(s->table, id);
    for (size_t i = 0; i < text.n; i++) {
        grammar_step(s->g, &s->now, (unsigned char)text.p[i], &s->levels[0]);
        s->now = s->levels[0];
    }
}

bool grammar_is_complete(const GrammarState *s) {
    return grammar_can_end(s->g, &s->now);
}
