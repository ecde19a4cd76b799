/* The hashed embedder: words and their character n-grams, each hashed to a few signed dimensions
 * ("feature hashing"), so that texts which share words, stems, parts of compounds, or misspelt
 * words point the same way. It learns nothing and needs no file. Its use beside BM25 is what BM25
 * cannot see: inflections, compounds, typos, names and numbers across languages.
 *
 * The same on every machine: text is folded here, not by ICU or libstemmer, whose versions differ;
 * all sums are integers, that of the squares too (compilers may fuse a floating-point product and
 * sum, and on some machines do); the only floating-point operations are a conversion, a square root
 * and a division, all exactly rounded by IEEE 754. tests/search/test_embedder_hash.c holds golden
 * values: whoever changes one of them changes the name too ("hash-1-..." to "hash-2-..."), for old
 * vectors are then no longer comparable.
 *
 * Source: Weinberger et al. 2009, "Feature Hashing for Large Scale Multitask Learning" (signed
 * hashing); Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information" (n-grams of
 * the padded word); Kane & Nelson 2014, "Sparser Johnson-Lindenstrauss Transforms" (several
 * dimensions a feature). */
#include "base/utf8.h"
#include "search/embedder.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <utf8proc.h>

enum {
    MAX_WORD = 48,            /* characters; longer words are cut there, their rest is a word too */
    MAX_DISTINCT = 2048,      /* distinct words kept before they are counted in */
    N_SLOTS = 4096,           /* power of two, twice that */
    MAX_CHARACTERS = 1 << 15, /* of all distinct words kept */
    FOLDED = 0x3000,          /* characters below are folded by table */
    N_HASHED = 2,             /* dimensions a feature goes to */
};

/* What a character becomes: SEPARATOR ends a word, MARK is dropped, else the folded character; a
 * second one (of "ss" for sharp s) stands in the high half. */
enum { SEPARATOR = 0, MARK = 1 };
static uint32_t fold_table[FOLDED];
static pthread_once_t fold_once = PTHREAD_ONCE_INIT;

/* How a script parts words: by spaces; not at all, and a character is a letter; not at all, and a
 * character is a syllable or a word. */
typedef enum Script { SCRIPT_SPACED, SCRIPT_LETTERS, SCRIPT_SYLLABLES } Script;

typedef struct Word {
    uint64_t hash;
    uint32_t start, n; /* characters in the pool */
    uint32_t count;    /* sum of COUNT_* */
    Script script;
} Word;

typedef struct Scratch {
    Word words[MAX_DISTINCT];
    uint16_t slots[N_SLOTS]; /* index into words, plus 1 */
    uint32_t pool[MAX_CHARACTERS];
    size_t n_words, n_pool;
    int64_t *sums; /* [dim] */
    size_t dim;
} Scratch;

typedef struct HashEmbedder {
    Embedder embedder; /* first: Embedder * is HashEmbedder * */
    char name[32];
} HashEmbedder;

static bool is_dropped_mark(uint32_t c) {
    return (c >= 0x300 && c <= 0x36F) || (c >= 0x591 && c <= 0x5C7) || (c >= 0x64B && c <= 0x65F) ||
           c == 0x670 || c == 0xAD || (c >= 0x200B && c <= 0x200D);
}

/* Letters, digits, and the vowel signs of Indic and Thai script, which are marks to Unicode. */
static bool is_word_character(uint32_t c) {
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return true;
    default: return false;
    }
}

static uint32_t fold_by_library(uint32_t c) {
    if (is_dropped_mark(c)) return MARK;
    if (!is_word_character(c)) return SEPARATOR;
    utf8proc_int32_t out[8];
    int last_class = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char(
        (utf8proc_int32_t)c, out, (utf8proc_ssize_t)N_ELEMENTS(out),
        UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD, &last_class);
    uint32_t folded = 0;
    for (utf8proc_ssize_t i = 0, kept = 0; i < n && i < (int)N_ELEMENTS(out) && kept < 2; i++) {
        uint32_t d = (uint32_t)out[i];
        if (is_dropped_mark(d) || d > 0xFFFF || !is_word_character(d)) continue;
        folded |= d << (16 * kept++);
    }
    return folded ? folded : c;
}

static void fold_table_init(void) {
    for (uint32_t c = 0; c < FOLDED; c++) fold_table[c] = fold_by_library(c);
}

/* Number of characters in out: 0 where c parts words, -1 where it is dropped. */
static int fold(uint32_t c, uint32_t out[2]) {
    if (c >= 0xFF01 && c <= 0xFF5E) c = c - 0xFF01 + 0x21; /* full-width ASCII */
    if (c < FOLDED) {
        uint32_t folded = fold_table[c];
        if (folded == SEPARATOR) return 0;
        if (folded == MARK) return -1;
        out[0] = folded & 0xFFFF;
        out[1] = folded >> 16;
        return out[1] ? 2 : 1;
    }
    bool is_letter = (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0xAC00 && c <= 0xD7A3);
    if (!is_letter && is_dropped_mark(c)) return -1;
    if (!is_letter && !is_word_character(c)) return 0;
    out[0] = c;
    return 1;
}

static Script script_of(uint32_t c) {
    if (c < 0xE00) return SCRIPT_SPACED;
    /* Thai, Lao, Myanmar, Khmer */
    if (c <= 0xEFF || (c >= 0x1000 && c <= 0x109F) || (c >= 0x1780 && c <= 0x17FF)) {
        return SCRIPT_LETTERS;
    }
    /* kana, Han, Hangul (whose words have spaces, but pack several letters in a character) */
    if ((c >= 0x3040 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x9FFF) ||
        (c >= 0xAC00 && c <= 0xD7A3) || (c >= 0xF900 && c <= 0xFAFF) ||
        (c >= 0x20000 && c <= 0x3FFFF)) {
        return SCRIPT_SYLLABLES;
    }
    return SCRIPT_SPACED;
}

/* ---- weights: integers, so that sums are exact and in any order the same ---- */

enum {
    COUNT_BODY = 4,    /* what one occurrence counts: in the passage, */
    COUNT_CONTEXT = 2, /* in its title or headings */
    WEIGHT_WORD = 32,  /* of the word as a whole, against all its n-grams together */
    WEIGHT_GRAMS = 64,
    GRAM_MIN = 3, /* characters, of the word between < and > */
    GRAM_MAX = 5,
    /* n-grams of scripts without spaces: where a character is a letter, or a syllable or word */
    LETTERS_MIN = 2,
    LETTERS_MAX = 4,
    SYLLABLES_MIN = 1,
    SYLLABLES_MAX = 2,
};

static uint64_t mix(uint64_t h) {
    h ^= h >> 30;
    h *= 0xBF58476D1CE4E5B9u;
    h ^= h >> 27;
    h *= 0x94D049BB133111EBu;
    return h ^ (h >> 31);
}

/* 16 * (1 + log2(occurrences)), falling to 0 below one; counts are in quarters of an occurrence. */
static int64_t count_weight(uint32_t count) {
    static const uint8_t table[] = {
        0,  8,  11, 14, 16, 18, 20, 22, 24, 25, 26, 27, 28, 29, 30, 31,
        32, 33, 34, 34, 35, 36, 36, 37, 37, 38, 38, 39, 39, 40, 40, 40
    };
    return table[MIN(count, N_ELEMENTS(table) - 1)];
}

/* How much a word says, guessed from its length alone: what is short is mostly grammar. */
static int64_t length_weight(const Word *word) {
    static const uint8_t spaced[] = { 0, 5, 6, 9, 12, 14, 15, 16 };
    static const uint8_t letters[] = { 0, 4, 4, 8, 8 };
    switch (word->script) {
    case SCRIPT_LETTERS: return letters[MIN(word->n, N_ELEMENTS(letters) - 1)];
    case SCRIPT_SYLLABLES: return 12;
    default: return spaced[MIN(word->n, N_ELEMENTS(spaced) - 1)];
    }
}

/* 64 / sqrt(n): the n-grams of a word share its weight, so that a long word does not drown others.
 */
static int64_t share_weight(size_t n) {
    static const uint8_t table[] = {
        64, 64, 45, 37, 32, 29, 26, 24, 23, 21, 20, 19, 18, 18, 17, 17,
        16, 16, 15, 15, 14, 14, 14, 13, 13, 13, 13, 12, 12, 12, 12, 11
    };
    return table[MIN(n, N_ELEMENTS(table) - 1)];
}

static void add_feature(Scratch *s, uint64_t hash, int64_t weight) {
    uint64_t h = mix(hash);
    for (int i = 0; i < N_HASHED; i++) {
        uint64_t part = (h >> (21 * i)) & 0x1FFFFF;
        size_t at = (size_t)(((part >> 1) * s->dim) >> 20);
        s->sums[at] += part & 1 ? weight : -weight;
    }
}

static void add_grams(Scratch *s, const uint32_t *c, size_t n, int64_t weight) {
    size_t n_grams = 0;
    for (size_t len = GRAM_MIN; len <= GRAM_MAX && len <= n; len++) n_grams += n - len + 1;
    weight = weight * share_weight(n_grams) / 64;
    for (size_t i = 0; i + GRAM_MIN <= n; i++) {
        uint64_t h = 0x9E3779B97F4A7C15u;
        for (size_t len = 1; len <= GRAM_MAX && i + len <= n; len++) {
            h = (h ^ c[i + len - 1]) * 0x9FB21C651E98DF25u;
            h ^= h >> 29;
            if (len >= GRAM_MIN) add_feature(s, h + len, weight);
        }
    }
}

static void add_word(Scratch *s, const Word *word) {
    int64_t weight = count_weight(word->count) * length_weight(word);
    add_feature(s, word->hash, weight * WEIGHT_WORD);
    if (word->script != SCRIPT_SPACED) return;
    uint32_t padded[MAX_WORD + 2];
    padded[0] = '<';
    memcpy(padded + 1, s->pool + word->start, word->n * sizeof *padded);
    padded[word->n + 1] = '>';
    add_grams(s, padded, word->n + 2, weight * WEIGHT_GRAMS);
}

/* ---- words ---- */

static void flush_words(Scratch *s) {
    for (size_t i = 0; i < s->n_words; i++) add_word(s, &s->words[i]);
    s->n_words = s->n_pool = 0;
    memset(s->slots, 0, sizeof s->slots);
}

static void take_word(Scratch *s, const uint32_t *c, size_t n, Script script, uint32_t count) {
    uint64_t h = 0x84222325CBF29CE4u;
    for (size_t i = 0; i < n; i++) h = (h ^ c[i]) * 0x9FB21C651E98DF25u;
    h = mix(h);
    if (s->n_words == MAX_DISTINCT || s->n_pool + n > MAX_CHARACTERS) flush_words(s);
    size_t at = h & (N_SLOTS - 1);
    for (; s->slots[at]; at = (at + 1) & (N_SLOTS - 1)) {
        Word *word = &s->words[s->slots[at] - 1];
        if (word->hash == h) {
            word->count += count;
            return;
        }
    }
    s->words[s->n_words] = (Word){ h, (uint32_t)s->n_pool, (uint32_t)n, count, script };
    memcpy(s->pool + s->n_pool, c, n * sizeof *c);
    s->n_pool += n;
    s->slots[at] = (uint16_t)++s->n_words;
}

/* A run of one script: a word, or, where there are no spaces, its n-grams as words. */
static void take_run(Scratch *s, const uint32_t *c, size_t n, Script script, uint32_t count) {
    size_t min = script == SCRIPT_LETTERS ? LETTERS_MIN : SYLLABLES_MIN;
    size_t max = script == SCRIPT_LETTERS ? LETTERS_MAX : SYLLABLES_MAX;
    if (n == 0) return;
    if (script == SCRIPT_SPACED || n < min) {
        take_word(s, c, n, script, count);
        return;
    }
    for (size_t i = 0; i + min <= n; i++) {
        for (size_t len = min; len <= max && i + len <= n; len++) {
            take_word(s, c + i, len, script, count);
        }
    }
}

static void take_text(Scratch *s, Slice text, uint32_t count) {
    uint32_t run[MAX_WORD];
    size_t n = 0;
    Script script = SCRIPT_SPACED;
    while (text.n) {
        uint32_t c = (unsigned char)text.p[0];
        size_t length = c < 0x80 ? 1 : utf8_decode(text, &c);
        if (length == 0) c = ' ', length = 1; /* a broken byte parts words */
        text = slice_skip(text, length);
        uint32_t folded[2];
        int n_folded = fold(c, folded);
        if (n_folded < 0) continue;
        Script script_now = n_folded ? script_of(folded[0]) : script;
        if (n_folded == 0 || n + 2 > MAX_WORD || script_now != script) {
            take_run(s, run, n, script, count);
            n = 0;
        }
        script = script_now;
        for (int i = 0; i < n_folded; i++) run[n++] = folded[i];
    }
    take_run(s, run, n, script, count);
}

/* ---- the interface ---- */

static void *hash_new_scratch(const Embedder *self) {
    Scratch *s = mem_alloc(1, sizeof *s);
    if (!s) return NULL;
    s->sums = mem_alloc(self->dim, sizeof *s->sums);
    s->dim = self->dim;
    if (!s->sums) {
        free(s);
        return NULL;
    }
    return s;
}

static void hash_free_scratch(void *scratch) {
    Scratch *s = scratch;
    if (s) free(s->sums);
    free(s);
}

__extension__ typedef __int128 Square;

static Status hash_embed(const Embedder *self, void *scratch, const EmbedText *text, float *ret,
                         Err *err) {
    (void)err;
    Scratch *s = scratch;
    memset(s->sums, 0, self->dim * sizeof *s->sums);
    take_text(s, text->text, COUNT_BODY);
    take_text(s, text->title, COUNT_CONTEXT);
    take_text(s, text->heading, COUNT_CONTEXT);
    flush_words(s);
    /* Sums stay below 2^40 (64 Mi words of weight 2^14): their squares need 128 bits. */
    Square square = 0;
    for (size_t i = 0; i < self->dim; i++) square += (Square)s->sums[i] * (Square)s->sums[i];
    double norm = sqrt((double)square);
    for (size_t i = 0; i < self->dim; i++) {
        ret[i] = norm > 0 ? (float)((double)s->sums[i] / norm) : 0.0f;
    }
    return STATUS_OK;
}

enum { DIM_DEFAULT = 256, DIM_MIN = 64, DIM_MAX = 2048, DIM_STEP = 32 };

static void hash_free(Embedder *self) {
    free(self);
}

Status embedder_hash_new(size_t dim, Embedder **ret, Err *err) {
    if (dim < DIM_MIN || dim > DIM_MAX || dim % DIM_STEP != 0) {
        return err_set_param(err, STATUS_INVALID, "embedder",
                             "hash embedder: dimension %zu is not a multiple of %d from %d to %d",
                             dim, DIM_STEP, DIM_MIN, DIM_MAX);
    }
    HashEmbedder *e = mem_alloc(1, sizeof *e);
    if (!e) return err_set(err, STATUS_NO_MEMORY, "out of memory for the embedder");
    pthread_once(&fold_once, fold_table_init);
    snprintf(e->name, sizeof e->name, "hash-1-%zu", dim);
    e->embedder =
        (Embedder){ e->name, dim, hash_new_scratch, hash_free_scratch, hash_embed, hash_free };
    *ret = &e->embedder;
    return STATUS_OK;
}
