/* Steps 1-5 of the normalisation, in that order; utf8proc knows the categories and the case. */
#include "cli/eval_score.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static const char *const english_articles[] = { "a", "an", "the", NULL };
static const char *const italian_articles[] = { "il", "lo", "la",  "i",   "gli", "le",
                                                "l",  "un", "uno", "una", NULL };

static bool is_unspaced(const char *language) {
    return strcmp(language, "zh") == 0 || strcmp(language, "th") == 0 ||
           strcmp(language, "ja") == 0;
}

static bool is_word_char(utf8proc_int32_t c) {
    utf8proc_category_t k = utf8proc_category(c);
    return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO) ||
           (k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO);
}

static bool is_removed(utf8proc_int32_t c) {
    utf8proc_category_t k = utf8proc_category(c);
    if (k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO) return true;
    return c && c < 0x80 && strchr("$+<=>^`|~", (int)c);
}

static bool is_space(utf8proc_int32_t c) {
    utf8proc_category_t k = utf8proc_category(c);
    return (c >= 9 && c <= 13) || (k >= UTF8PROC_CATEGORY_ZS && k <= UTF8PROC_CATEGORY_ZP);
}

/* Lower case, removals, white space as ' ' runs: steps 1-3 on characters. Writes to out, which has
 * room for 4 bytes a character. */
static void fold(const utf8proc_uint8_t *nfc, bool italian, char *out) {
    utf8proc_int32_t c;
    size_t n = 0;
    for (utf8proc_ssize_t step; *nfc && (step = utf8proc_iterate(nfc, -1, &c)) > 0; nfc += step) {
        c = utf8proc_tolower(c);
        if (italian && (c == 0x27 || c == 0x2019 || c == 0x2BC)) c = ' ';
        if (is_removed(c)) continue;
        if (is_space(c)) c = ' ';
        n += (size_t)utf8proc_encode_char(c, (utf8proc_uint8_t *)out + n);
    }
    out[n] = '\0';
}

static bool is_article(const char *word, const char *const *articles) {
    for (; articles && *articles; articles++) {
        if (strcmp(word, *articles) == 0) return true;
    }
    return false;
}

/* Join the words of folded with single spaces (or none), without articles: steps 4-5. Returns false
 * where nothing is left. */
static bool join(char *folded, const char *const *articles, bool spaced, char *out) {
    size_t n = 0;
    char *rest = NULL;
    for (char *w = strtok_r(folded, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) {
        if (is_article(w, articles)) continue;
        if (n && spaced) out[n++] = ' ';
        memcpy(out + n, w, strlen(w));
        n += strlen(w);
    }
    out[n] = '\0';
    return n > 0;
}

char *eval_normalise(const char *text, const char *language) {
    bool italian = strcmp(language, "it") == 0;
    const char *const *articles = italian                       ? italian_articles
                                  : strcmp(language, "en") == 0 ? english_articles
                                                                : NULL;
    utf8proc_uint8_t *nfc = utf8proc_NFC((const utf8proc_uint8_t *)text);
    if (!nfc) return NULL;
    size_t room = strlen((char *)nfc) * 4 + 4;
    char *folded = malloc(room), *again = malloc(room), *out = malloc(room);
    if (folded && again && out) {
        fold(nfc, italian, folded);
        strcpy(again, folded);
        bool spaced = !is_unspaced(language);
        if (!join(folded, articles, spaced, out)) join(again, NULL, spaced, out);
    } else {
        free(out);
        out = NULL;
    }
    free(nfc);
    free(folded);
    free(again);
    return out;
}

static utf8proc_int32_t char_before(const char *start, const char *p) {
    utf8proc_int32_t c = 0;
    if (p == start) return 0;
    do p--;
    while (p > start && ((unsigned char)*p & 0xC0) == 0x80);
    return utf8proc_iterate((const utf8proc_uint8_t *)p, -1, &c) > 0 ? c : 0;
}

static utf8proc_int32_t char_at(const char *p) {
    utf8proc_int32_t c = 0;
    return *p && utf8proc_iterate((const utf8proc_uint8_t *)p, -1, &c) > 0 ? c : 0;
}

static bool stands_alone(const char *text, const char *needle, bool boundary_is_space) {
    size_t n = strlen(needle);
    if (!n) return false;
    for (const char *p = text; (p = strstr(p, needle)); p++) {
        utf8proc_int32_t before = char_before(text, p), after = char_at(p + n);
        if (boundary_is_space ? (!before || before == ' ') && (!after || after == ' ')
                              : !is_word_char(before) && !is_word_char(after)) {
            return true;
        }
    }
    return false;
}

bool eval_holds(const char *text, const char *gold, const char *language) {
    if (stands_alone(text, gold, false)) return true;
    char *t = eval_normalise(text, language), *g = eval_normalise(gold, language);
    bool holds = false;
    if (t && g && *g) {
        holds = is_unspaced(language) ? strstr(t, g) != NULL : stands_alone(t, g, true);
    }
    free(t);
    free(g);
    return holds;
}
