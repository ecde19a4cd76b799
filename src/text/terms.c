/* One pass over the text: runs of letters and digits become words, runs of scripts without spaces
 * become character n-grams. Most text is ASCII and most words are frequent: ASCII is folded by a
 * table, and stems come from a direct-mapped cache before libstemmer is asked.
 * Numbers: grouping marks go and the decimal mark becomes '.', so that "1.128", "1,128" and "1128"
 * are one term in any language. Apostrophes part words: elided articles (l', dell', qu') are
 * function words of their language then, and need no rule of their own. */
#include "text/terms.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "text/fold.h"
#include "text/language.h"
#include "text/script.h"
#include "text/stopwords.h"

#include <libstemmer.h>

/* name in libstemmer */
static const struct {
    char language[4];
    const char *algorithm;
} stemmers[] = {
    { "it", "italian" },   { "en", "english" },    { "es", "spanish" },   { "fr", "french" },
    { "de", "german" },    { "pt", "portuguese" }, { "ro", "romanian" },  { "nl", "dutch" },
    { "tr", "turkish" },   { "ru", "russian" },    { "el", "greek" },     { "ar", "arabic" },
    { "hi", "hindi" },     { "ca", "catalan" },    { "da", "danish" },    { "fi", "finnish" },
    { "hu", "hungarian" }, { "id", "indonesian" }, { "ga", "irish" },     { "lt", "lithuanian" },
    { "ne", "nepali" },    { "no", "norwegian" },  { "nb", "norwegian" }, { "sr", "serbian" },
    { "sv", "swedish" },   { "ta", "tamil" },      { "yi", "yiddish" },   { "eu", "basque" },
    { "hy", "armenian" },
};
enum {
    N_STEMMERS = N_ELEMENTS(stemmers),
    CACHE_SLOTS = 8192,
    CACHE_BYTES = 27,
    GRAM_CHAR_BYTES = 24
};

typedef struct CacheSlot {
    char word[CACHE_BYTES], stem[CACHE_BYTES]; /* word with accents -> stem without */
    uint8_t n_word, n_stem, stemmer;           /* n_word 0: free */
} CacheSlot;

struct TextTerms {
    struct sb_stemmer *opened[N_STEMMERS];
    bool tried[N_STEMMERS];
    CacheSlot cache[CACHE_SLOTS];
};

TextTerms *text_terms_new(void) {
    return mem_alloc(1, sizeof(TextTerms));
}

TextTerms *text_terms_free(TextTerms *terms) {
    if (!terms) return NULL;
    for (size_t i = 0; i < N_STEMMERS; i++) sb_stemmer_delete(terms->opened[i]);
    free(terms);
    return NULL;
}

typedef struct Scan {
    TextTerms *terms;
    Slice text;
    size_t at;
    unsigned kinds;
    int stemmer; /* index, -1: none */
    uint32_t stop_bit;
    bool word_grams;   /* give words' trigrams too */
    bool accents_tell; /* words that differ in accents only are different words */
    const AskWords *ask_words;
    Status (*take)(void *context, const Term *term);
    void *context;
} Scan;

/* ASCII: 0 not in a word, 1 letter, 2 digit, 3 beyond ASCII; the letter in lower case. */
static const unsigned char ascii_class[256] = {
    ['0' ... '9'] = 2, ['a' ... 'z'] = 1, ['A' ... 'Z'] = 1, [0x80 ... 0xFF] = 3
};

static int stemmer_of(TextTerms *terms, const char *language) {
    for (size_t i = 0; i < N_STEMMERS; i++) {
        if (strcmp(stemmers[i].language, language) != 0) continue;
        if (!terms->tried[i]) {
            terms->tried[i] = true;
            terms->opened[i] = sb_stemmer_new(stemmers[i].algorithm, "UTF_8");
        }
        return terms->opened[i] ? (int)i : -1;
    }
    return -1;
}

/* The stem of a word, folded without accents; a view into the cache or into buffer. */
static Slice stem_of(Scan *scan, Slice lower, char buffer[FOLD_BYTES + 8]) {
    struct sb_stemmer *stemmer = scan->terms->opened[scan->stemmer];
    CacheSlot *slot = NULL;
    if (lower.n <= CACHE_BYTES) {
        uint64_t hash = hash_mix64(lower, (uint64_t)scan->stemmer);
        slot = &scan->terms->cache[hash % CACHE_SLOTS];
        if (slot->n_word == lower.n && slot->stemmer == scan->stemmer &&
            memcmp(slot->word, lower.p, lower.n) == 0)
            return (Slice){ slot->stem, slot->n_stem };
    }
    const sb_symbol *stem = sb_stemmer_stem(stemmer, (const sb_symbol *)lower.p, (int)lower.n);
    if (!stem) return SLICE_NULL; /* no memory: the word itself is still a term */
    size_t n =
        fold_plain((Slice){ (const char *)stem, (size_t)sb_stemmer_length(stemmer) }, buffer);
    if (slot && n <= CACHE_BYTES) {
        memcpy(slot->word, lower.p, lower.n);
        memcpy(slot->stem, buffer, n);
        slot->n_word = (uint8_t)lower.n;
        slot->n_stem = (uint8_t)n;
        slot->stemmer = (uint8_t)scan->stemmer;
    }
    return (Slice){ buffer, n };
}

/* In text whose words are matched by their n-grams, a name in another script that matches only as a
 * whole would count too little beside them. Measured on xquad-th: recall@1 95.1 against 93.3. */
static Status give_word_grams(Scan *scan, Slice word, size_t start, size_t end) {
    for (size_t i = 0; i < word.n;) {
        size_t next = 0, n = 0;
        for (unsigned chars = 0; chars < 3 && i + n < word.n; chars++) {
            do n++;
            while (i + n < word.n && ((unsigned char)word.p[i + n] & 0xC0) == 0x80);
            if (!next) next = n;
            if (chars < 2) continue;
            if (n == word.n) return STATUS_OK; /* it is the word itself */
            Term term = { { word.p + i, n }, start, end, TERM_GRAM, false, false };
            TRY(scan->take(scan->context, &term));
        }
        i += next;
    }
    return STATUS_OK;
}

/* Vietnamese: accents are tones, and words that differ in them have nothing to do with each other.
 * The accented form stands in the stem's place, so that it counts in full, and what was written
 * without accents still finds the plain one. Measured on xquad-vi: recall@1 90.7 against 89.2. */
static bool accents_tell(const char *language) {
    return strcmp(language, "vi") == 0;
}

static Status give_word(Scan *scan, const FoldWord *word, size_t start, size_t end, bool number) {
    Term term = { { word->plain, word->n_plain }, start, end, TERM_WORD, false, false };
    if (!word->n_plain) return STATUS_OK;
    Slice lower = { word->lower, word->n_lower };
    Slice looked_up = scan->accents_tell ? lower : term.text;
    term.is_stop = !number && scan->stop_bit && (stopword_mask(looked_up) & scan->stop_bit) != 0;
    if (scan->kinds & TERM_WORD) TRY(scan->take(scan->context, &term));
    if (scan->word_grams) return give_word_grams(scan, term.text, start, end);
    if (!(scan->kinds & TERM_STEM) || number) return STATUS_OK;
    if (scan->stemmer < 0 && !scan->accents_tell) return STATUS_OK;
    char buffer[FOLD_BYTES + 8];
    Slice stem = scan->accents_tell ? lower : stem_of(scan, lower, buffer);
    if (!stem.n || slice_equal(stem, term.text)) return STATUS_OK;
    term.text = stem;
    term.kind = TERM_STEM;
    return scan->take(scan->context, &term);
}

static bool digit_at(Slice s, size_t at) {
    return at < s.n && s.p[at] >= '0' && s.p[at] <= '9';
}

/* Digits of the run at `at`. */
static size_t digits_at(Slice s, size_t at) {
    size_t n = 0;
    while (digit_at(s, at + n)) n++;
    return n;
}

/* In a number at a '.' or ',' (or a group's blank) before digits: what is written for it: nothing
 * within "1.128.000", '.' in "3,5" and "1.2.3"; SIZE_MAX: the number ends here. */
static size_t number_mark(Slice s, size_t at, size_t digits_before, char ret[1]) {
    if (at >= s.n || (s.p[at] != '.' && s.p[at] != ',') || !digit_at(s, at + 1)) return SIZE_MAX;
    bool group = digits_before <= 3 && digits_at(s, at + 1) == 3;
    ret[0] = '.';
    return group ? 0 : 1;
}

/* The word at scan->at, which is a letter or digit; moves behind it. */
static Status scan_word(Scan *scan) {
    Slice s = scan->text;
    size_t start = scan->at, i = start, end = start, digits = 0;
    FoldWord word;
    word.n_lower = word.n_plain = 0;
    bool number = true;
    for (;;) {
        unsigned char a = i < s.n ? (unsigned char)s.p[i] : 0;
        unsigned class = ascii_class[a];
        if (class == 1 || class == 2) {
            fold_append_ascii(&word, class == 1 ? (char)(a | 0x20) : (char)a);
            number = number && class == 2;
            digits = class == 2 ? digits + 1 : 0;
            end = ++i;
            continue;
        }
        if (class == 3) {
            uint32_t c = 0;
            size_t n = utf8_decode(slice_skip(s, i), &c);
            FoldClass fold = n ? fold_class(c) : FOLD_NONE;
            if (fold == FOLD_NONE || fold == FOLD_UNSPACED) break;
            i += n;
            number = number && fold == FOLD_DIGIT;
            digits = 0;
            if (fold == FOLD_IGNORED) continue;
            fold_append(&word, c);
            end = i;
            continue;
        }
        char mark[1];
        size_t n = number && digits ? number_mark(s, i, digits, mark) : SIZE_MAX;
        if (n == SIZE_MAX) break;
        if (n) fold_append_ascii(&word, mark[0]);
        digits = 0;
        i++;
    }
    scan->at = i;
    return give_word(scan, &word, start, end, number);
}

/* --- scripts without spaces ------------------------------------------------------------------- */

/* An ideograph with the marks that belong to it, or a letter or mark of an alphabet. */
typedef struct GramChar {
    char text[GRAM_CHAR_BYTES];
    size_t n, start, end;
    bool asks; /* of a word that asks */
} GramChar;

static Status give_gram(Scan *scan, const GramChar *first, size_t n, bool is_part) {
    char text[GRAM_CHAR_BYTES * 3];
    size_t bytes = 0;
    bool asks = false;
    for (size_t i = 0; i < n; i++) {
        memcpy(text + bytes, first[i].text, first[i].n);
        bytes += first[i].n;
        asks = asks || first[i].asks;
    }
    Term term = { { text, bytes }, first[0].start, first[n - 1].end, TERM_GRAM, asks, is_part };
    return bytes ? scan->take(scan->context, &term) : STATUS_OK;
}

/* The characters of one run as they come. */
typedef struct Window {
    GramChar chars[3];
    size_t n, n_given;
    bool ideographs;
    size_t ask_end; /* of the last word that asks */
} Window;

/* The last character is complete, and more follow or not: Chinese and Japanese give every character
 * and every pair; alphabets (Thai, Lao, Khmer, Burmese) every two and three, of which questions
 * take the three. Measured on xquad-th with BM25 alone (recall@1, @5, @10): letters with their
 * marks as one, two and three of them 95.2, 99.3, 99.9; letters and marks apart, three of
 * them 94.9, 99.7, 99.9, two and three 94.2, 99.4, 99.9. */
static Status window_give(Scan *scan, Window *w, bool more) {
    size_t shortest = w->ideographs ? 1 : 2;
    if (!(scan->kinds & TERM_GRAM)) return STATUS_OK;
    for (size_t n = shortest; n <= shortest + 1 && n <= w->n; n++, w->n_given++) {
        bool is_part = !w->ideographs && n == 2 && (w->n > 2 || more);
        TRY(give_gram(scan, &w->chars[w->n - n], n, is_part));
    }
    return STATUS_OK;
}

static void window_push(Scan *scan, Window *w, size_t start) {
    if (w->n == N_ELEMENTS(w->chars)) {
        memmove(w->chars, w->chars + 1, (w->n - 1) * sizeof *w->chars);
        w->n--;
    }
    if (scan->ask_words && start >= w->ask_end) {
        w->ask_end = start + stopword_ask_at(scan->ask_words, slice_skip(scan->text, start));
    }
    w->chars[w->n++] = (GramChar){ .n = 0, .start = start, .asks = start < w->ask_end };
}

static void window_extend(Window *w, uint32_t c, size_t end) {
    GramChar *last = &w->chars[w->n - 1];
    FoldWord folded;
    folded.n_lower = folded.n_plain = 0;
    fold_append(&folded, c);
    if (last->n + folded.n_plain <= sizeof last->text) {
        memcpy(last->text + last->n, folded.plain, folded.n_plain);
        last->n += folded.n_plain;
    }
    last->end = end;
}

static Status scan_unspaced(Scan *scan) {
    Slice s = scan->text;
    Window window = { .n = 0 };
    while (scan->at < s.n) {
        uint32_t c;
        size_t start = scan->at, bytes = utf8_decode(slice_skip(s, start), &c);
        if (!bytes || fold_class(c) != FOLD_UNSPACED) break;
        bool ideograph = script_is_han(c) || script_is_kana(c);
        if (window.n && ideograph != window.ideographs) break;
        window.ideographs = ideograph;
        scan->at += bytes;
        if (!window.n || !ideograph || !fold_is_mark(c)) {
            if (window.n) TRY(window_give(scan, &window, true));
            window_push(scan, &window, start);
        }
        window_extend(&window, c, scan->at);
    }
    TRY(window_give(scan, &window, false));
    /* a run of one letter is still something to find */
    if (!window.n_given && (scan->kinds & TERM_GRAM))
        return give_gram(scan, window.chars, window.n, false);
    return STATUS_OK;
}

Status text_terms_each(TextTerms *terms, Slice text, const char *language, unsigned kinds,
                       Status (*take)(void *context, const Term *term), void *context) {
    Scan scan = { .terms = terms,
                  .text = text,
                  .kinds = kinds,
                  .stemmer = kinds & TERM_STEM ? stemmer_of(terms, language) : -1,
                  .stop_bit =
                      accents_tell(language) ? STOPWORD_ACCENTED_BIT : stopword_bit(language),
                  .word_grams = (kinds & TERM_GRAM) && language_is_unspaced(language),
                  .accents_tell = accents_tell(language),
                  .ask_words = kinds & TERM_GRAM ? stopword_ask_words(language) : NULL,
                  .take = take,
                  .context = context };
    while (scan.at < text.n) {
        unsigned class = ascii_class[(unsigned char)text.p[scan.at]];
        if (class == 0) {
            scan.at++;
        } else if (class < 3) {
            TRY(scan_word(&scan));
        } else {
            uint32_t c = 0;
            size_t n = utf8_decode(slice_skip(text, scan.at), &c);
            FoldClass fold = n ? fold_class(c) : FOLD_NONE;
            if (fold == FOLD_UNSPACED)
                TRY(scan_unspaced(&scan));
            else if (fold == FOLD_LETTER || fold == FOLD_DIGIT)
                TRY(scan_word(&scan));
            else
                scan.at += n ? n : 1;
        }
    }
    return STATUS_OK;
}
