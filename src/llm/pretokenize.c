/* GPT-2:    's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * Llama 3:  (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}
 *           | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 * SmolLM:   each \p{N}, then GPT-2 in what lies between
 * default:  runs of [\p{P}$+<=>^~|]; GPT-2 in these and in what lies between; \p{N}+ out of that;
 *           [0-9] in threes out of that
 * The alternatives are tried in this order; the first that matches wins, as in the originals. The
 * (?i:) of Llama 3 is ASCII only, as in llama.cpp: the long s is no s. */
#include "llm/pretokenize.h"
#include "base/utf8.h"
#include <utf8proc.h>

typedef enum Class { CLASS_END, CLASS_SPACE, CLASS_LETTER, CLASS_NUMBER, CLASS_OTHER } Class;

typedef struct Char {
    uint32_t c;
    uint32_t n; /* bytes; 0 at the end */
    Class class;
} Char;

static bool is_space(uint32_t c) {
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

static Class class_of(uint32_t c) {
    if (c < 0x80) {
        if ((c | 32) >= 'a' && (c | 32) <= 'z') return CLASS_LETTER;
        if (c >= '0' && c <= '9') return CLASS_NUMBER;
        return is_space(c) ? CLASS_SPACE : CLASS_OTHER;
    }
    if (is_space(c)) return CLASS_SPACE;
    if (c >= 0x2EBF0 && c <= 0x2EE5D) return CLASS_LETTER; /* new in Unicode 15.1 */
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) return CLASS_LETTER;
    if (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO) return CLASS_NUMBER;
    return CLASS_OTHER;
}

static Char char_at(Slice text, size_t at) {
    Char ch = { 0, 0, CLASS_END };
    if (at >= text.n) return ch;
    ch.n = (uint32_t)utf8_decode(slice_skip(text, at), &ch.c);
    if (!ch.n) ch.n = 1, ch.c = (unsigned char)text.p[at]; /* the caller's text was not valid */
    ch.class = class_of(ch.c);
    return ch;
}

/* End of the run of one class that begins at `at`. */
static size_t run_end(Slice text, size_t at, Class class) {
    for (Char ch = char_at(text, at); ch.class == class; ch = char_at(text, at)) at += ch.n;
    return at;
}

/* 's 't 'm 'd 're 've 'll: its length, or 0. */
static size_t contraction(Slice text, bool any_case) {
    if (text.n < 2 || text.p[0] != '\'') return 0;
    unsigned char fold = any_case ? 32 : 0;
    char a = (char)(text.p[1] | fold), b = text.n > 2 ? (char)(text.p[2] | fold) : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

/* \s+(?!\S)|\s+ : all of a run of white space at the end of the text or of one character; otherwise
 * the run without its last character. */
static size_t space_run(Slice text) {
    size_t end = 0, last = 0;
    for (Char ch = char_at(text, 0); ch.class == CLASS_SPACE; ch = char_at(text, end))
        last = end, end += ch.n;
    return end == text.n || last == 0 ? end : last;
}

static size_t next_gpt2(Slice text) {
    size_t n = contraction(text, false);
    if (n) return n;
    Char first = char_at(text, 0);
    size_t skip = first.c == ' ' ? 1 : 0;
    Class class = skip ? char_at(text, 1).class : first.class;
    if (class == CLASS_LETTER || class == CLASS_NUMBER || class == CLASS_OTHER)
        return run_end(text, skip, class);
    return space_run(text);
}

/* \s*[\r\n]+ : the run of white space up to its last line end; 0 where it has none. */
static size_t line_ends(Slice text) {
    size_t end = 0, found = 0;
    for (Char ch = char_at(text, 0); ch.class == CLASS_SPACE; ch = char_at(text, end)) {
        end += ch.n;
        if (ch.c == '\r' || ch.c == '\n') found = end;
    }
    return found;
}

static size_t next_llama3(Slice text) {
    size_t n = contraction(text, true);
    if (n) return n;
    Char first = char_at(text, 0);
    if (first.class == CLASS_LETTER) return run_end(text, 0, CLASS_LETTER);
    if (first.class != CLASS_NUMBER && first.c != '\r' && first.c != '\n' &&
        char_at(text, first.n).class == CLASS_LETTER)
        return run_end(text, first.n, CLASS_LETTER);
    if (first.class == CLASS_NUMBER) {
        size_t end = 0;
        for (int i = 0; i < 3 && char_at(text, end).class == CLASS_NUMBER; i++)
            end += char_at(text, end).n;
        return end;
    }
    size_t skip = first.c == ' ' ? 1 : 0;
    if ((skip ? char_at(text, 1).class : first.class) == CLASS_OTHER) {
        size_t end = run_end(text, skip, CLASS_OTHER);
        while (end < text.n && (text.p[end] == '\r' || text.p[end] == '\n')) end++;
        return end;
    }
    n = line_ends(text);
    return n ? n : space_run(text);
}

/* [\p{P}$+<=>^~|] */
static bool is_mark(Char ch) {
    if (ch.class != CLASS_OTHER) return false;
    if (ch.c < 0x80 && ch.c && strchr("$+<=>^~|", (int)ch.c)) return true;
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)ch.c);
    return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

/* What an earlier pass cuts out as one: for SmolLM a number or all up to the next one, for the
 * default a run of marks or all up to the next mark. */
static size_t fence_end(VocabSplit split, Slice text) {
    Char ch = char_at(text, 0);
    size_t end = ch.n;
    bool marks = is_mark(ch);
    if (split == VOCAB_SPLIT_SMOLLM && ch.class == CLASS_NUMBER) return end;
    for (ch = char_at(text, end); ch.class != CLASS_END; ch = char_at(text, end)) {
        if (split == VOCAB_SPLIT_SMOLLM ? ch.class == CLASS_NUMBER : is_mark(ch) != marks) break;
        end += ch.n;
    }
    return end;
}

/* Text (inside a fence) that begins with a number: three digits, or what stands before three, or
 * the run of numbers. */
static size_t next_threes(Slice text) {
    size_t end = 0, digits = 0;
    for (Char ch = char_at(text, 0); ch.class == CLASS_NUMBER; ch = char_at(text, end)) {
        end += ch.n;
        digits = ch.c < 0x80 ? digits + 1 : 0;
        if (digits == 3) return end == 3 ? 3 : end - 3;
    }
    return end;
}

static size_t next_default(Slice text) {
    if (char_at(text, 0).class == CLASS_NUMBER) return next_threes(text);
    if (text.p[0] == ' ' && char_at(text, 1).class == CLASS_NUMBER) return 1;
    return next_gpt2(text);
}

bool words_next(Words *words, Slice *ret) {
    size_t n;
    if (!words->rest.n) return false;
    if (words->split == VOCAB_SPLIT_LLAMA3 || words->split == VOCAB_SPLIT_GPT2) {
        n = words->split == VOCAB_SPLIT_LLAMA3 ? next_llama3(words->rest) : next_gpt2(words->rest);
    } else {
        if (!words->fenced) words->fenced = fence_end(words->split, words->rest);
        Slice inside = { words->rest.p, words->fenced };
        n = words->split == VOCAB_SPLIT_SMOLLM ? next_gpt2(inside) : next_default(inside);
        words->fenced -= n;
    }
    *ret = (Slice){ words->rest.p, n };
    words->rest = slice_skip(words->rest, n);
    return true;
}
