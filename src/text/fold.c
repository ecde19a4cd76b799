/* Accents go where they are written over a letter that reads without them too (Latin, Greek,
 * Cyrillic, vowel points of Arabic and Hebrew); never the marks of Indic scripts and Thai, which
 * are vowels. The letters up to U+07FF and those of U+1E00-1FFF (Vietnamese, old Greek) come from a
 * table that utf8proc fills once; everything else is looked up, or is the same in any case. */
#include "text/fold.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "text/script.h"

#include <pthread.h>
#include <utf8proc.h>

enum { LOW = 0x800, HIGH_FIRST = 0x1E00, HIGH_END = 0x2000, ENTRY_BYTES = 6 };

typedef struct Entry {
    char lower[ENTRY_BYTES], plain[ENTRY_BYTES];
    uint8_t n_lower, n_plain, class;
} Entry;

static Entry low[LOW], high[HIGH_END - HIGH_FIRST];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool is_accent(uint32_t c) {
    return (c >= 0x300 && c <= 0x36F) || (c >= 0x64B && c <= 0x65F) || c == 0x670 ||
           (c >= 0x591 && c <= 0x5C7);
}

static FoldClass class_of(uint32_t c) {
    if (script_is_unspaced(c)) return FOLD_UNSPACED;
    if (c == 0xAD || c == 0x200C || c == 0x200D || c == 0x640) return FOLD_IGNORED;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_NL: return c == 0x2BC ? FOLD_NONE : FOLD_LETTER;
    case UTF8PROC_CATEGORY_ND: return FOLD_DIGIT;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC: return FOLD_MARK;
    default: return FOLD_NONE;
    }
}

enum { MAX_PARTS = 20 };

static size_t encode(const utf8proc_int32_t *chars, size_t n, bool plain, char *ret, size_t room) {
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        char utf8[4];
        if (plain && is_accent((uint32_t)chars[i])) continue;
        size_t more = utf8_encode((uint32_t)chars[i], utf8);
        if (bytes + more > room) break;
        memcpy(ret + bytes, utf8, more);
        bytes += more;
    }
    return bytes;
}

/* By utf8proc; room bytes at most in each. */
static void fold_slow(uint32_t c, char *lower, size_t *n_lower, char *plain, size_t *n_plain,
                      size_t room) {
    utf8proc_int32_t parts[MAX_PARTS];
    utf8proc_ssize_t n =
        utf8proc_decompose_char((utf8proc_int32_t)c, parts, MAX_PARTS,
                                UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_DECOMPOSE, NULL);
    if (n < 1 || n > MAX_PARTS) {
        parts[0] = (utf8proc_int32_t)c;
        n = 1;
    }
    *n_plain = encode(parts, (size_t)n, true, plain, room);
    if (c != 0x130) /* I with a dot is the capital of plain i: no dot is left over */
        n = utf8proc_normalize_utf32(parts, n, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    else
        n = 1;
    *n_lower = encode(parts, n > 0 ? (size_t)n : 0, false, lower, room);
}

static void entry_fill(Entry *entry, uint32_t c) {
    size_t n_lower, n_plain;
    fold_slow(c, entry->lower, &n_lower, entry->plain, &n_plain, ENTRY_BYTES);
    entry->n_lower = (uint8_t)n_lower;
    entry->n_plain = (uint8_t)n_plain;
    entry->class = (uint8_t)class_of(c);
}

static void build(void) {
    for (uint32_t c = 0; c < LOW; c++) entry_fill(&low[c], c);
    for (uint32_t c = HIGH_FIRST; c < HIGH_END; c++) entry_fill(&high[c - HIGH_FIRST], c);
}

static const Entry *entry_of(uint32_t c) {
    pthread_once(&once, build);
    if (c < LOW) return &low[c];
    return c >= HIGH_FIRST && c < HIGH_END ? &high[c - HIGH_FIRST] : NULL;
}

FoldClass fold_class(uint32_t c) {
    const Entry *entry = entry_of(c);
    return entry ? (FoldClass)entry->class : class_of(c);
}

bool fold_is_mark(uint32_t c) {
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC;
}

/* Whether folding leaves it as it is: all of CJK but its compatibility forms, Indic, Thai. */
static bool is_caseless(uint32_t c) {
    return (c >= 0x900 && c < 0x10A0) || (c >= 0x1780 && c < 0x17E0) ||
           (c >= 0x3040 && c < 0x3130) || (c >= 0x3400 && c < 0xA640) ||
           (c >= 0xAC00 && c < 0xD7B0);
}

/* A combining accent after its letter (text in NFD): the two as one, where Unicode has it. */
static bool compose(FoldWord *word, uint32_t mark) {
    size_t start = word->n_lower;
    while (start > 0 && ((unsigned char)word->lower[start - 1] & 0xC0) == 0x80) start--;
    if (!start) return false;
    start--;
    uint32_t letter;
    if (!utf8_decode((Slice){ word->lower + start, word->n_lower - start }, &letter)) return false;
    utf8proc_int32_t pair[2] = { (utf8proc_int32_t)letter, (utf8proc_int32_t)mark };
    if (utf8proc_normalize_utf32(pair, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE) != 1) return false;
    word->n_lower = start + utf8_encode((uint32_t)pair[0], word->lower + start);
    return true;
}

void fold_append(FoldWord *word, uint32_t c) {
    if (word->n_lower >= FOLD_BYTES || word->n_plain >= FOLD_BYTES) return;
    char *lower = word->lower + word->n_lower, *plain = word->plain + word->n_plain;
    if (c >= 0x300 && c <= 0x36F && compose(word, c)) return;
    const Entry *entry = entry_of(c);
    size_t n_lower, n_plain;
    if (entry) {
        n_lower = entry->n_lower;
        n_plain = entry->n_plain;
        memcpy(lower, entry->lower, ENTRY_BYTES);
        memcpy(plain, entry->plain, ENTRY_BYTES);
    } else if (is_caseless(c)) {
        n_lower = n_plain = utf8_encode(c, lower);
        memcpy(plain, lower, n_lower);
    } else {
        fold_slow(c, lower, &n_lower, plain, &n_plain,
                  FOLD_BYTES + 8 - MAX(word->n_lower, word->n_plain));
    }
    word->n_lower += n_lower;
    word->n_plain += n_plain;
}

size_t fold_plain(Slice s, char ret[FOLD_BYTES + 8]) {
    FoldWord word = { .n_lower = 0, .n_plain = 0 };
    for (size_t i = 0; i < s.n;) {
        uint32_t c;
        size_t n = utf8_decode(slice_skip(s, i), &c);
        if (!n) break;
        fold_append(&word, c);
        i += n;
    }
    memcpy(ret, word.plain, word.n_plain);
    return word.n_plain;
}
