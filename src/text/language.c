/* The guess goes by the script first, which settles most languages that have one of their own; then
 * by function words, of which even a short question holds two or three; and for longer text in
 * other languages by libexttextcat's n-gram profiles.
 * libexttextcat keeps state in its handle and reads some 200 profiles when it is opened: one
 * handle, opened when it is first needed, behind a lock. Where its data is not installed, the guess
 * does without. */
#include "text/language.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "text/fold.h"
#include "text/script.h"
#include "text/stopwords.h"

#include <ctype.h>
#include <libexttextcat/textcat.h>
#include <pthread.h>
#include <strings.h>

enum { SAMPLE_BYTES = 4096, PROFILE_CHARS = 70 };

/* ISO 639-1, ISO 639-2 (both kinds), English and own names. */
static const struct {
    const char *code, *names;
} languages[] = {
    { "it", "ita italian italiano" },
    { "en", "eng english" },
    { "es", "spa spanish espanol castellano" },
    { "fr", "fra fre french francais" },
    { "de", "deu ger german deutsch" },
    { "pt", "por portuguese portugues" },
    { "ro", "ron rum romanian romana" },
    { "nl", "nld dut dutch nederlands" },
    { "tr", "tur turkish turkce" },
    { "vi", "vie vietnamese" },
    { "ru", "rus russian" },
    { "uk", "ukr ukrainian" },
    { "bg", "bul bulgarian" },
    { "sr", "srp serbian" },
    { "el", "ell gre greek" },
    { "ar", "ara arabic" },
    { "fa", "fas per persian farsi" },
    { "ur", "urd urdu" },
    { "he", "heb hebrew" },
    { "hi", "hin hindi" },
    { "bn", "ben bengali" },
    { "ta", "tam tamil" },
    { "th", "tha thai" },
    { "lo", "lao" },
    { "km", "khm khmer" },
    { "my", "mya bur burmese" },
    { "zh", "zho chi chinese cmn mandarin" },
    { "ja", "jpn japanese" },
    { "ko", "kor korean" },
    { "ca", "cat catalan" },
    { "da", "dan danish" },
    { "sv", "swe swedish" },
    { "no", "nor norwegian nno nn" },
    { "nb", "nob" },
    { "fi", "fin finnish" },
    { "hu", "hun hungarian" },
    { "pl", "pol polish" },
    { "cs", "ces cze czech" },
    { "sk", "slk slo slovak" },
    { "sl", "slv slovenian" },
    { "hr", "hrv croatian" },
    { "lt", "lit lithuanian" },
    { "lv", "lav latvian" },
    { "et", "est estonian" },
    { "id", "ind indonesian" },
    { "ms", "msa may malay" },
    { "ga", "gle irish" },
    { "eu", "eus baq basque" },
    { "gl", "glg galician" },
    { "sq", "sqi alb albanian" },
    { "mt", "mlt maltese" },
    { "la", "lat latin" },
    { "sw", "swa swahili" },
    { "ne", "nep nepali" },
    { "hy", "hye arm armenian" },
    { "ka", "kat geo georgian" },
};

void language_parse(Slice name, char ret[LANGUAGE_BYTES]) {
    char plain[FOLD_BYTES + 8];
    ret[0] = '\0';
    name = slice_trim(name);
    size_t end = 0; /* "it-IT", "it_IT.UTF-8", "it,en" */
    while (end < name.n && !strchr("-_.,; ", name.p[end])) end++;
    if (!end || end > 24) return;
    size_t n = fold_plain((Slice){ name.p, end }, plain);
    for (size_t i = 0; i < N_ELEMENTS(languages); i++) {
        bool found = slice_equal((Slice){ plain, n }, slice_of(languages[i].code));
        for (const char *p = languages[i].names; !found && *p;) {
            size_t bytes = strcspn(p, " ");
            found = n == bytes && memcmp(p, plain, n) == 0;
            p += bytes + strspn(p + bytes, " ");
        }
        if (!found) continue;
        memcpy(ret, languages[i].code, strlen(languages[i].code) + 1);
        return;
    }
}

bool language_is_unspaced(const char *language) {
    static const char *const unspaced[] = { "zh", "ja", "th", "lo", "km", "my" };
    for (size_t i = 0; i < N_ELEMENTS(unspaced); i++)
        if (strcmp(language, unspaced[i]) == 0) return true;
    return false;
}

/* --- evidence --------------------------------------------------------------------------------- */

typedef enum Script {
    SCRIPT_LATIN,
    SCRIPT_CYRILLIC,
    SCRIPT_GREEK,
    SCRIPT_ARABIC,
    SCRIPT_HEBREW,
    SCRIPT_DEVANAGARI,
    SCRIPT_BENGALI,
    SCRIPT_TAMIL,
    SCRIPT_THAI,
    SCRIPT_LAO,
    SCRIPT_KHMER,
    SCRIPT_MYANMAR,
    SCRIPT_HAN,
    SCRIPT_KANA,
    SCRIPT_HANGUL,
    SCRIPT_GEORGIAN,
    SCRIPT_ARMENIAN,
    N_SCRIPTS,
} Script;

typedef struct Evidence {
    size_t scripts[N_SCRIPTS]; /* letters */
    double words[STOPWORD_LANGUAGES];
    double letters[STOPWORD_LANGUAGES]; /* letters that few languages write */
    size_t n_words;
    bool persian, urdu, ukrainian; /* letters that Arabic and Russian have not */
} Evidence;

static int script_of(uint32_t c) {
    static const struct {
        uint32_t first, last;
        Script script;
    } ranges[] = {
        { 0x00C0, 0x024F, SCRIPT_LATIN },      { 0x0370, 0x03FF, SCRIPT_GREEK },
        { 0x0400, 0x052F, SCRIPT_CYRILLIC },   { 0x0531, 0x058F, SCRIPT_ARMENIAN },
        { 0x0591, 0x05F4, SCRIPT_HEBREW },     { 0x0620, 0x06FF, SCRIPT_ARABIC },
        { 0x0900, 0x097F, SCRIPT_DEVANAGARI }, { 0x0980, 0x09FF, SCRIPT_BENGALI },
        { 0x0B80, 0x0BFF, SCRIPT_TAMIL },      { 0x0E01, 0x0E5B, SCRIPT_THAI },
        { 0x0E81, 0x0EDF, SCRIPT_LAO },        { 0x1000, 0x109F, SCRIPT_MYANMAR },
        { 0x10A0, 0x10FF, SCRIPT_GEORGIAN },   { 0x1100, 0x11FF, SCRIPT_HANGUL },
        { 0x1780, 0x17FF, SCRIPT_KHMER },      { 0x1E00, 0x1EFF, SCRIPT_LATIN },
        { 0x1F00, 0x1FFF, SCRIPT_GREEK },      { 0xAC00, 0xD7A3, SCRIPT_HANGUL },
    };
    if (script_is_han(c)) return SCRIPT_HAN;
    if (script_is_kana(c)) return SCRIPT_KANA;
    for (size_t i = 0; i < N_ELEMENTS(ranges); i++)
        if (c >= ranges[i].first && c <= ranges[i].last) return (int)ranges[i].script;
    return -1;
}

/* Letters that point to one of the languages with a list. */
static void letter_evidence(Evidence *evidence, uint32_t c) {
    static const struct {
        const char *letters;
        const char *languages; /* two bytes each */
        double weight;
    } hints[] = {
        { "ñ¿¡", "es", 1.5 },
        { "ß", "de", 1.5 },
        { "äö", "de", 0.4 },
        { "ãõ", "pt", 1.2 },
        { "ășțţ", "ro", 1.2 },
        { "ğıİ", "tr", 1.5 },
        { "ş", "trro", 0.8 },
        { "çêœ", "fr", 0.3 },
        { "ìò", "it", 0.8 },
        { "àù", "itfr", 0.3 },
        { "èé", "frit", 0.3 },
        { "îû", "frro", 0.3 },
        { "đơưạảấầẩậắằặẻẽếềểệỉịọỏốồổộớờởợụủứừửữự", "vi", 1.0 },
        { "íóú", "espt", 0.3 },
        { "ü", "detr", 0.4 },
    };
    if (c > 0x250 && (c < 0x1E00 || c > 0x1EFF)) return;
    char utf8[5] = { 0 };
    utf8_encode(c, utf8);
    for (size_t i = 0; i < N_ELEMENTS(hints); i++) {
        if (!strstr(hints[i].letters, utf8)) continue;
        for (const char *l = hints[i].languages; *l; l += 2)
            for (unsigned k = 0; k < STOPWORD_LANGUAGES; k++)
                if (strncmp(stopword_language(k), l, 2) == 0)
                    evidence->letters[k] += hints[i].weight;
    }
}

static void word_evidence(Evidence *evidence, const FoldWord *word, bool elided) {
    if (!word->n_plain) return;
    evidence->n_words++;
    uint32_t mask = stopword_mask((Slice){ word->plain, word->n_plain });
    if (!mask) return;
    /* a word of one language weighs more than one of many; one letter says little */
    double weight = 1.0 / __builtin_popcount(mask);
    if (word->n_plain == 1) weight *= elided ? 1.0 : 0.5;
    for (unsigned i = 0; i < STOPWORD_LANGUAGES; i++)
        if (mask & 1u << i) evidence->words[i] += weight;
}

static void gather(Slice text, Evidence *evidence) {
    FoldWord word;
    word.n_lower = word.n_plain = 0;
    for (size_t i = 0; i < text.n;) {
        uint32_t c = 0;
        size_t n = utf8_decode(slice_skip(text, i), &c);
        FoldClass class = n ? fold_class(c) : FOLD_NONE;
        if (class == FOLD_LETTER || class == FOLD_MARK) {
            fold_append(&word, c);
        } else {
            word_evidence(evidence, &word, c == '\'' || c == 0x2019);
            word.n_lower = word.n_plain = 0;
        }
        if (c < 0x80) {
            evidence->scripts[SCRIPT_LATIN] += class == FOLD_LETTER;
        } else if (n) {
            int script = script_of(c);
            if (script >= 0) evidence->scripts[script]++;
            letter_evidence(evidence, c);
            evidence->persian |= c == 0x67E || c == 0x686 || c == 0x6AF || c == 0x6CC;
            evidence->urdu |= c == 0x679 || c == 0x688 || c == 0x6D2 || c == 0x6BA;
            evidence->ukrainian |= c == 0x456 || c == 0x457 || c == 0x454 || c == 0x491;
        }
        i += n ? n : 1;
    }
    word_evidence(evidence, &word, false);
}

static const char *by_script(const Evidence *evidence) {
    static const char *const own[N_SCRIPTS] = {
        [SCRIPT_GREEK] = "el",      [SCRIPT_ARABIC] = "ar",   [SCRIPT_HEBREW] = "he",
        [SCRIPT_DEVANAGARI] = "hi", [SCRIPT_BENGALI] = "bn",  [SCRIPT_TAMIL] = "ta",
        [SCRIPT_THAI] = "th",       [SCRIPT_LAO] = "lo",      [SCRIPT_KHMER] = "km",
        [SCRIPT_MYANMAR] = "my",    [SCRIPT_HAN] = "zh",      [SCRIPT_KANA] = "ja",
        [SCRIPT_HANGUL] = "ko",     [SCRIPT_GEORGIAN] = "ka", [SCRIPT_ARMENIAN] = "hy",
    };
    size_t best = 0, all = 0;
    for (size_t i = 0; i < N_SCRIPTS; i++) {
        all += evidence->scripts[i];
        /* one ideograph stands for some two or three letters */
        size_t weight = i == SCRIPT_HAN ? 2 : 1;
        if (evidence->scripts[i] * weight > evidence->scripts[best] * (best == SCRIPT_HAN ? 2 : 1))
            best = i;
    }
    if (!all) return "";
    if (best == SCRIPT_HAN && evidence->scripts[SCRIPT_KANA] * 10 > evidence->scripts[SCRIPT_HAN])
        return "ja";
    if (best == SCRIPT_ARABIC) return evidence->urdu ? "ur" : evidence->persian ? "fa" : "ar";
    if (best == SCRIPT_CYRILLIC) return evidence->ukrainian ? "uk" : "";
    return own[best] ? own[best] : "";
}

/* --- n-gram profiles -------------------------------------------------------------------------- */

static pthread_mutex_t profile_lock = PTHREAD_MUTEX_INITIALIZER;
static void *profiles; /* guarded by profile_lock; opened once, kept for the process */
static bool profiles_tried;

static void by_profile(Slice text, char ret[LANGUAGE_BYTES]) {
    ret[0] = '\0';
    pthread_mutex_lock(&profile_lock);
    if (!profiles_tried) {
        profiles_tried = true;
        profiles = special_textcat_Init(TEXTCAT_DATA "/fpdb.conf", TEXTCAT_DATA "/");
    }
    /* "[it--utf8][ca--utf8]" */
    const char *result = profiles ? textcat_Classify(profiles, text.p, text.n) : NULL;
    if (result && result[0] == '[') language_parse(slice_of(result + 1), ret);
    pthread_mutex_unlock(&profile_lock);
}

/* --- the guess -------------------------------------------------------------------------------- */

/* Function words: clear where the best has enough and is well before the next. */
static bool by_words(const Evidence *evidence, const char *hint, bool cyrillic,
                     char ret[LANGUAGE_BYTES], bool *ret_decided, bool *ret_clear) {
    unsigned best = STOPWORD_LANGUAGES;
    double first = 0, second = 0;
    for (unsigned i = 0; i < STOPWORD_LANGUAGES; i++) {
        double score = evidence->words[i] + evidence->letters[i];
        if (hint && strcmp(stopword_language(i), hint) == 0 && score > 0) score += 0.3;
        if (cyrillic != (strcmp(stopword_language(i), "ru") == 0)) score = 0;
        if (score > first) {
            second = first;
            first = score;
            best = i;
        } else if (score > second) {
            second = score;
        }
    }
    if (best == STOPWORD_LANGUAGES || first < 0.3) return false;
    /* a text in a language without a list has a few of these words too: in one that has a list they
     * are a third of all words */
    *ret_decided = first > second * 1.3;
    *ret_clear = *ret_decided && first > 0.13 * (double)evidence->n_words;
    memcpy(ret, stopword_language(best), 3);
    return true;
}

/* The sample that is looked at: the beginning, and as much from the middle of a long text. */
static Slice sample_of(Slice text, size_t from) {
    if (from >= text.n) return SLICE_NULL;
    Slice rest = slice_skip(text, from);
    while (rest.n && ((unsigned char)rest.p[0] & 0xC0) == 0x80) rest = slice_skip(rest, 1);
    return (Slice){ rest.p, utf8_floor(rest, SAMPLE_BYTES) };
}

void language_guess(Slice text, const char *hint, char ret[LANGUAGE_BYTES]) {
    Evidence evidence = { .n_words = 0 };
    char guess[LANGUAGE_BYTES] = "", profile[LANGUAGE_BYTES] = "";
    Slice sample = sample_of(text, 0);
    gather(sample, &evidence);
    if (text.n > 4 * SAMPLE_BYTES) gather(sample_of(text, text.n / 2), &evidence);
    const char *script = by_script(&evidence);
    bool cyrillic = evidence.scripts[SCRIPT_CYRILLIC] > evidence.scripts[SCRIPT_LATIN];
    bool clear = false, decided = false;
    if (script[0]) {
        memcpy(guess, script, strlen(script) + 1);
    } else {
        bool known = by_words(&evidence, hint, cyrillic, guess, &decided, &clear);
        size_t letters = evidence.scripts[SCRIPT_LATIN] + evidence.scripts[SCRIPT_CYRILLIC];
        if (!clear && letters >= PROFILE_CHARS) by_profile(sample, profile);
        /* where both languages have lists, the words know better than the profiles */
        if (profile[0] && !(known && decided && stopword_bit(profile)))
            memcpy(guess, profile, sizeof guess);
        else if (!known && hint && letters)
            language_parse(slice_of(hint), guess);
        else if (!known && cyrillic)
            memcpy(guess, "ru", 3);
    }
    memcpy(ret, guess, sizeof guess);
}
