/* Sentences by UAX #29 with the Sentence_Break property from ICU's data. The walk over the rules is
 * ours: ICU's break iterator wants UTF-16 and reads every character through its state table (some
 * 30 MB/s), while only terminators and line ends can end a sentence, and those are found by a table
 * of bytes. tests/text compares the two. What is repaired: abbreviations, initials and acronyms
 * ("art. 5", "J. Smith", "U.S. law"), ordinals
 * ("3. Oktober"), a terminator inside of a word or address, marks of notes behind it ("end.[3]"),
 * lower case after "?" and "!" ("Yahoo! announced"), lines that are items or rows, lines that are
 * only wrapped; Thai and its neighbours, which have no terminator, are parted at blanks.
 * Source: UAX #29 revision 41, rules SB1-SB11. */
#include "text/passage.h"

#include "base/utf8.h"
#include "text/abbreviations.h"
#include "text/fold.h"
#include "text/script.h"
#include "text/stopwords.h"

#include <unicode/uchar.h>

enum {
    WRAP_BYTES = 45, /* a line at least this long may be wrapped; a shorter one ends by intent */
    UNMARKED_CHARS = 120, /* scripts without terminators: parted at the first blank after these */
};

typedef struct Split {
    Slice s;
    size_t start;      /* of the sentence that is open */
    size_t line_start; /* of the line that is being read */
    uint32_t stop_bit;
    bool greek, ordinals, unmarked;
    TextSpan *spans;
    size_t n, capacity;
    bool failed;
} Split;

/* 1: may end a sentence in any text; 2: the first byte of characters that may */
static const unsigned char interesting[256] = {
    ['\n'] = 1, ['.'] = 1,  ['!'] = 1,  ['?'] = 1,  [';'] = 1,  [0xCD] = 2, [0xD6] = 2, [0xD8] = 2,
    [0xDB] = 2, [0xDC] = 2, [0xE0] = 2, [0xE1] = 2, [0xE2] = 2, [0xE3] = 2, [0xEA] = 2, [0xEF] = 2,
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n';
}

static void push_span(Split *split, size_t start, size_t end) {
    while (start < end && is_blank(split->s.p[start])) start++;
    while (end > start && is_blank(split->s.p[end - 1])) end--;
    if (start == end) return;
    if (split->failed ||
        !mem_grow((void **)&split->spans, &split->capacity, split->n + 1, sizeof *split->spans)) {
        split->failed = true;
        return;
    }
    split->spans[split->n++] = (TextSpan){ start, end };
}

/* What is open ends at `end`. Scripts without terminators are parted at the first blank after
 * UNMARKED_CHARS characters. */
static void add_span(Split *split, size_t end) {
    size_t start = split->start, chars = 0;
    for (size_t i = start; split->unmarked && i < end; i++) {
        chars += ((unsigned char)split->s.p[i] & 0xC0) != 0x80;
        if (!is_blank(split->s.p[i]) || chars < UNMARKED_CHARS) continue;
        push_span(split, start, i);
        start = i;
        chars = 0;
    }
    push_span(split, start, end);
    split->start = end;
}

static uint32_t char_at(Slice s, size_t at, size_t *ret_n) {
    uint32_t c = 0;
    *ret_n = at < s.n ? utf8_decode(slice_skip(s, at), &c) : 0;
    return *ret_n ? c : 0;
}

/* --- lines ------------------------------------------------------------------------------------ */

/* "- ", "• ", "3) " at the beginning of a line. */
static bool is_item(Slice s, size_t at) {
    size_t n;
    uint32_t c = char_at(s, at, &n);
    if (c == '-' || c == '*' || c == '+' || c == 0x2022 || c == 0x2013 || c == 0x2014 ||
        c == 0xB7 || c == 0x25AA || c == 0x25CF)
        return at + n < s.n && s.p[at + n] == ' ';
    size_t digits = 0;
    while (digits < 4 && at + digits < s.n && s.p[at + digits] >= '0' && s.p[at + digits] <= '9')
        digits++;
    at += digits;
    return digits && at + 1 < s.n && (s.p[at] == '.' || s.p[at] == ')') && s.p[at + 1] == ' ';
}

static bool is_row(Slice line) {
    return line.n && (memchr(line.p, '\t', line.n) || memmem(line.p, line.n, " | ", 3));
}

/* Whether the line end at `at` ends a sentence by itself. */
static bool is_hard_line_end(const Split *split, size_t at) {
    Slice s = split->s;
    size_t next = at + 1;
    if (next >= s.n || s.p[next] == '\n') return true;
    if (is_item(s, next)) return true;
    Slice line = { s.p + split->line_start, at - split->line_start };
    if (is_row(line)) return true;
    if (line.n >= WRAP_BYTES) return false;
    size_t n;
    while (next < s.n && (s.p[next] == ' ' || s.p[next] == '\t')) next++;
    return u_getIntPropertyValue((UChar32)char_at(s, next, &n), UCHAR_SENTENCE_BREAK) != U_SB_LOWER;
}

/* --- terminators ------------------------------------------------------------------------------ */

typedef enum Terminator {
    NO_TERMINATOR,
    FULL_STOP,
    STRONG,
    WIDE
} Terminator; /* WIDE: no blank
                  need follow */

static Terminator terminator_at(const Split *split, size_t at, size_t *ret_n) {
    unsigned char a = (unsigned char)split->s.p[at];
    *ret_n = 1;
    if (a == '.') return FULL_STOP;
    if (a == '!' || a == '?') return STRONG;
    if (a == ';') return split->greek ? STRONG : NO_TERMINATOR;
    if (interesting[a] != 2) return NO_TERMINATOR;
    uint32_t c = char_at(split->s, at, ret_n);
    if (c == 0x2026 || c == 0x2024) return FULL_STOP;
    if (c == 0x37E) return STRONG;
    if (u_getIntPropertyValue((UChar32)c, UCHAR_SENTENCE_BREAK) != U_SB_STERM && c != 0xFF0E &&
        c != 0xFF61)
        return NO_TERMINATOR;
    return c >= 0x900 && (c < 0x2000 || c >= 0x3000) ? WIDE : STRONG;
}

static bool is_close(uint32_t c) {
    switch (c) {
    case ')':
    case ']':
    case '}':
    case '"':
    case '\'':
    case 0xBB:
    case 0x2019:
    case 0x201D:
    case 0x203A: return true;
    default: break;
    }
    if (c < 0x3000) return false;
    return u_getIntPropertyValue((UChar32)c, UCHAR_SENTENCE_BREAK) == U_SB_CLOSE &&
           u_charType((UChar32)c) != U_START_PUNCTUATION;
}

static bool is_open(uint32_t c) {
    return c == '(' || c == '[' || c == '"' || c == '\'' || c == 0xAB || c == 0xA1 || c == 0xBF ||
           c == 0x2018 || c == 0x201C || c == 0x201E || c == 0x2039 || c == 0x2013 || c == 0x2014 ||
           c == '-';
}

/* Past closing marks, more terminators and marks of notes; says whether there was a closing one. */
static size_t skip_closers(const Split *split, size_t at, bool *ret_closed) {
    Slice s = split->s;
    *ret_closed = false;
    while (at < s.n) {
        size_t n;
        if (s.p[at] == '[') { /* "[12]", "[a]" */
            size_t end = at + 1;
            while (end < s.n && end - at < 5 && s.p[end] != ']' && s.p[end] > ' ') end++;
            if (end >= s.n || s.p[end] != ']' || end == at + 1) return at;
            at = end + 1;
            continue;
        }
        if (terminator_at(split, at, &n) != NO_TERMINATOR) {
            at += n;
            continue;
        }
        if (!is_close(char_at(s, at, &n))) return at;
        *ret_closed = true;
        at += n;
    }
    return at;
}

typedef enum NextKind {
    NEXT_END,
    NEXT_LOWER,
    NEXT_UPPER,
    NEXT_DIGIT,
    NEXT_MARK,
    NEXT_OTHER
} NextKind;

/* What the text goes on with at `at`, past opening marks; its word where it is one. */
static NextKind next_kind(const Split *split, size_t at, FoldWord *ret_word) {
    Slice s = split->s;
    size_t n;
    uint32_t c = char_at(s, at, &n);
    ret_word->n_lower = ret_word->n_plain = 0;
    while (n && (is_open(c) || c == ' ')) {
        at += n;
        c = char_at(s, at, &n);
    }
    if (!n) return NEXT_END;
    NextKind kind = NEXT_OTHER;
    switch (u_getIntPropertyValue((UChar32)c, UCHAR_SENTENCE_BREAK)) {
    case U_SB_LOWER: return NEXT_LOWER;
    case U_SB_NUMERIC: return NEXT_DIGIT;
    case U_SB_SCONTINUE: return NEXT_MARK;
    case U_SB_UPPER: kind = NEXT_UPPER; break;
    default: break;
    }
    for (size_t i = 0; i < 24 && n && fold_class(c) == FOLD_LETTER; i++) {
        fold_append(ret_word, c);
        at += n;
        c = char_at(s, at, &n);
    }
    return kind;
}

static bool is_token_byte(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c & 0x80) ||
           c == '.';
}

/* The full stop at `at` may belong to what stands before it: an abbreviation, an initial, a number.
 * That the next word is a function word with a capital speaks for an end all the same. */
static bool is_abbreviation(const Split *split, size_t at, NextKind next, const FoldWord *word) {
    Slice s = split->s;
    size_t start = at;
    while (start > split->start && at - start < 24 && is_token_byte(s.p[start - 1])) start--;
    while (start < at && ((unsigned char)s.p[start] & 0xC0) == 0x80)
        start++; /* cut in a character */
    Slice token = { s.p + start, at - start };
    if (!token.n) return false;
    bool starter = next == NEXT_UPPER && split->stop_bit && word->n_plain > 1 &&
                   (stopword_mask((Slice){ word->plain, word->n_plain }) & split->stop_bit);
    size_t digits = 0;
    while (digits < token.n && token.p[digits] >= '0' && token.p[digits] <= '9') digits++;
    if (digits == token.n) {
        bool first = true; /* "1. Then": the number of an item */
        for (size_t i = split->start; i < start && first; i++) first = is_blank(s.p[i]);
        return first || (split->ordinals && digits <= 2 && !starter);
    }
    bool capital = token.p[0] >= 'A' && token.p[0] <= 'Z';
    if (token.n == 1 && capital) return !starter;
    if (memchr(token.p, '.', token.n)) {
        /* "U.S", "p.es", "a.C": short parts; "fonte.org" is a word like any other */
        size_t part = 0, longest = 0;
        for (size_t i = 0; i < token.n; i++) {
            part = token.p[i] == '.' ? 0 : part + 1;
            longest = MAX(longest, part);
        }
        return longest <= 2 && !starter;
    }
    switch (abbreviation_kind(token)) {
    case ABBREVIATION_BEFORE: return true;
    case ABBREVIATION_NUMBER: return next == NEXT_DIGIT;
    case ABBREVIATION_AFTER: return !starter;
    case ABBREVIATION_NONE: break;
    }
    return false;
}

/* Whether a sentence ends with the terminator at `at` of n bytes; where, in *ret_end. */
static bool ends_sentence(const Split *split, size_t at, size_t n, Terminator kind,
                          size_t *ret_end) {
    Slice s = split->s;
    bool closed;
    size_t end = skip_closers(split, at + n, &closed);
    *ret_end = end;
    if (end == s.n) return true;
    if (!is_blank(s.p[end])) {
        if (kind != WIDE) { /* U+3000 and other blanks count too */
            size_t bytes;
            uint32_t c = char_at(s, end, &bytes);
            if (!u_isUWhiteSpace((UChar32)c)) return false;
        }
        return true;
    }
    if (kind == WIDE) return true;
    size_t next = end;
    while (next < s.n && is_blank(s.p[next])) next++;
    FoldWord word;
    NextKind follows = next_kind(split, next, &word);
    if (follows == NEXT_LOWER || follows == NEXT_MARK) return false;
    if (kind == FULL_STOP && n == 1 && end == at + 1 && is_abbreviation(split, at, follows, &word))
        return false;
    return true;
}

/* --- the walk -----------------------------------------------------------------------------------
 */

static void split_text(Split *split) {
    Slice s = split->s;
    for (size_t i = 0; i < s.n;) {
        while (i < s.n && !interesting[(unsigned char)s.p[i]]) i++;
        if (i == s.n) break;
        if (s.p[i] == '\n') {
            if (is_hard_line_end(split, i)) add_span(split, i);
            split->line_start = ++i;
            continue;
        }
        size_t n, end;
        Terminator kind = terminator_at(split, i, &n);
        if (kind != NO_TERMINATOR && ends_sentence(split, i, n, kind, &end)) {
            add_span(split, end);
            n = end - i;
        }
        i += n ? n : 1;
    }
    add_span(split, s.n);
}

Status text_sentences(Slice text, const char *language, Arena *arena, TextSpan **ret, size_t *ret_n,
                      Err *err) {
    static const char *const ordinal_languages = "de da no nb fi hu cs sk sl hr et lv tr sr";
    static const char *const unmarked_languages = "th lo km my";
    Split split = { .s = text, .stop_bit = stopword_bit(language) };
    split.greek = strcmp(language, "el") == 0;
    split.ordinals = language[0] && strstr(ordinal_languages, language);
    split.unmarked = language[0] && strstr(unmarked_languages, language);
    split_text(&split);
    TextSpan *spans = split.failed ? NULL : arena_alloc(arena, split.n, sizeof *spans);
    if (spans && split.n) memcpy(spans, split.spans, split.n * sizeof *spans);
    size_t n = split.n;
    free(split.spans);
    if (!spans) return err_set(err, STATUS_NO_MEMORY, "no memory for sentences");
    *ret = spans;
    *ret_n = n;
    return STATUS_OK;
}
