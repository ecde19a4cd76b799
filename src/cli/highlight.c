#include "cli/highlight.h"

#include "cli/clean.h"

#include <stdlib.h>
#include <string.h>
#include <wctype.h>

enum { MAX_WORDS = 64, MAX_LETTERS = 64 };

typedef struct Word {
    uint32_t letters[MAX_LETTERS];
    size_t n;
} Word;

struct Highlight {
    Word words[MAX_WORDS];
    size_t n_words;
};

/* The case-folded word that begins at text[at]; its length in bytes, 0 where none begins. */
static size_t take_word(const char *text, size_t n, size_t at, Word *ret) {
    size_t i = at;
    ret->n = 0;
    while (i < n) {
        uint32_t c;
        size_t length = clean_decode(text + i, n - i, &c);
        if (!iswalnum((wint_t)c)) break;
        if (ret->n < MAX_LETTERS) ret->letters[ret->n++] = (uint32_t)towlower((wint_t)c);
        i += length;
    }
    return i - at;
}

/* True for characters of scripts that are written without spaces: each is a word of its own. */
static bool is_unspaced(uint32_t c) {
    return (c >= 0x0E00 && c <= 0x0EFF) || (c >= 0x3040 && c <= 0x30FF) ||
           (c >= 0x3400 && c <= 0x9FFF) || (c >= 0x20000 && c <= 0x3FFFF);
}

Highlight *highlight_new(const char *query) {
    Highlight *highlight = calloc(1, sizeof *highlight);
    size_t n = strlen(query);
    for (size_t i = 0; highlight && i < n && highlight->n_words < MAX_WORDS;) {
        Word *word = &highlight->words[highlight->n_words];
        size_t length = take_word(query, n, i, word);
        uint32_t c;
        if (length == 0) {
            i += clean_decode(query + i, n - i, &c);
            continue;
        }
        i += length;
        if (word->n > 3 || is_unspaced(word->letters[0]) || iswdigit((wint_t)word->letters[0]))
            highlight->n_words++;
    }
    return highlight;
}

Highlight *highlight_free(Highlight *highlight) {
    free(highlight);
    return NULL;
}

static bool is_alike(const Word *a, const Word *b) {
    size_t shorter = a->n < b->n ? a->n : b->n, longer = a->n < b->n ? b->n : a->n, same = 0;
    while (same < shorter && a->letters[same] == b->letters[same]) same++;
    if (same == longer) return true;
    return same >= 4 && same + 2 >= longer;
}

/* In unspaced text: the longest run of at least two characters that also stands in a query word. */
static size_t match_unspaced(const Highlight *highlight, const char *text, size_t n, size_t at) {
    size_t best = 0;
    for (size_t w = 0; w < highlight->n_words; w++) {
        const Word *word = &highlight->words[w];
        for (size_t from = 0; from < word->n; from++) {
            size_t i = at, same = 0;
            for (uint32_t c; from + same < word->n && i < n; same++) {
                size_t length = clean_decode(text + i, n - i, &c);
                if (c != word->letters[from + same]) break;
                i += length;
            }
            if (same >= 2 && i - at > best) best = i - at;
        }
    }
    return best;
}

size_t highlight_match(const void *context, const char *text, size_t n, size_t at) {
    const Highlight *highlight = context;
    if (!highlight || !highlight->n_words) return 0;
    uint32_t c;
    clean_decode(text + at, n - at, &c);
    if (is_unspaced(c)) return match_unspaced(highlight, text, n, at);
    if (at > 0) { /* only where a word begins */
        size_t before = at - 1;
        while (before > 0 && ((unsigned char)text[before] & 0xC0) == 0x80) before--;
        clean_decode(text + before, n - before, &c);
        if (iswalnum((wint_t)c)) return 0;
    }
    Word word;
    size_t length = take_word(text, n, at, &word);
    for (size_t w = 0; length && w < highlight->n_words; w++)
        if (is_alike(&highlight->words[w], &word)) return length;
    return 0;
}
