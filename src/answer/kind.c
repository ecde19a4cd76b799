/* Short tables by language: more would guess. A question word counts alone, or with the noun behind
 * it ("which year"); what a table does not know asks for anything. */
#include "answer/kind.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>

/* A word, or one of `first` followed by one of `second`; words of a list are set apart by spaces.
 */
typedef struct AskWords {
    const char *language, *first, *second;
    AnswerKind kind;
} AskWords;

static const AskWords ask_words[] = {
    { "en", "when", "", ANSWER_TIME },
    { "en", "what which", "year years date day century month decade time season", ANSWER_TIME },
    { "en", "how", "many much long old far large big often fast tall high deep", ANSWER_NUMBER },
    { "en", "what which", "percentage percent number amount population", ANSWER_NUMBER },
    { "en", "who whom whose", "", ANSWER_PERSON },
    { "en", "where", "", ANSWER_PLACE },
    { "en", "what which", "country city state region place location area county continent river",
      ANSWER_PLACE },
    { "en", "why", "", ANSWER_CAUSE },
    { "en", "what which", "reason cause caused", ANSWER_CAUSE },
    { "it", "quando", "", ANSWER_TIME },
    { "it", "che quale quali qual", "anno anni data giorno secolo mese decennio periodo epoca",
      ANSWER_TIME },
    { "it", "quanto quanta quanti quante", "", ANSWER_NUMBER },
    { "it", "che quale qual", "percentuale numero popolazione", ANSWER_NUMBER },
    { "it", "chi", "", ANSWER_PERSON },
    { "it", "dove", "", ANSWER_PLACE },
    { "it", "che quale quali qual",
      "paese paesi citta stato stati regione luogo continente fiume zona contea", ANSWER_PLACE },
    { "it", "perche", "", ANSWER_CAUSE },
    { "it", "che quale qual", "motivo ragione causa", ANSWER_CAUSE },
    { "es", "cuando", "", ANSWER_TIME },
    { "es", "que", "ano fecha siglo mes decada dia", ANSWER_TIME },
    { "es", "cuanto cuanta cuantos cuantas", "", ANSWER_NUMBER },
    { "es", "que", "porcentaje numero cantidad", ANSWER_NUMBER },
    { "es", "quien quienes", "", ANSWER_PERSON },
    { "es", "donde", "", ANSWER_PLACE },
    { "es", "que", "pais ciudad estado region lugar", ANSWER_PLACE },
    { "de", "wann", "", ANSWER_TIME },
    { "de", "welchem welches", "jahr jahrhundert monat", ANSWER_TIME },
    { "de", "wie", "viel viele vielen lange oft weit gross alt", ANSWER_NUMBER },
    { "de", "wieviel wieviele", "", ANSWER_NUMBER },
    { "de", "wer wem wen wessen", "", ANSWER_PERSON },
    { "de", "wo wohin woher", "", ANSWER_PLACE },
    { "de", "warum weshalb wieso", "", ANSWER_CAUSE },
    { "fr", "quand", "", ANSWER_TIME },
    { "fr", "quelle quel", "annee date siecle", ANSWER_TIME },
    { "fr", "combien", "", ANSWER_NUMBER },
    { "fr", "qui", "", ANSWER_PERSON },
    { "fr", "ou", "", ANSWER_PLACE },
    { "fr", "pourquoi", "", ANSWER_CAUSE },
};

static const char *const months =
    "january february march april may june july august september october november december "
    "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre "
    "enero febrero abril mayo junio julio septiembre octubre noviembre diciembre januar februar "
    "marz juni juli oktober dezember janvier fevrier mars avril juin juillet aout septembre "
    "octobre decembre";
static const char *const number_words =
    "two three four five six seven eight nine ten eleven twelve dozen half hundred thousand "
    "million millions billion billions first second third due tre quattro cinque sei sette otto "
    "nove dieci undici dodici meta cento mille mila milioni miliardi milione miliardo primo prima "
    "secondo seconda terzo terza";
static const char *const causes =
    "because due since therefore thus reason cause caused causes result perche poiche causa "
    "motivo dovuto ragione cosi quindi grazie porque debido weil wegen grund daher car cause";
static const char *const pronouns =
    "he she it they his her its their this these those that such esso essa essi lui lei egli ella "
    "loro questo questa questi queste quest tale tali suo sua suoi sue el ella ellos este esta er "
    "sie es diese dieser dieses il elle ils ce cette ces";

/* By language, for words that mean something else in another (due, once, sans). */
typedef struct LanguageWords {
    const char *language, *negations;
    const char *counts; /* of two to twelve, in order */
} LanguageWords;

static const LanguageWords language_words[] = {
    { "en",
      "not no never none nothing nobody neither nor without cannot didn doesn don isn wasn aren "
      "weren hasn haven hadn wouldn couldn shouldn",
      "two three four five six seven eight nine ten eleven twelve" },
    { "it", "non no nessun nessuno nessuna niente nulla mai senza",
      "due tre quattro cinque sei sette otto nove dieci undici dodici" },
    { "es", "no nunca ningun ninguna ninguno nada nadie sin",
      "dos tres cuatro cinco seis siete ocho nueve diez once doce" },
    { "de", "nicht kein keine keinen keiner nie ohne",
      "zwei drei vier funf sechs sieben acht neun zehn elf zwolf" },
    { "fr", "pas jamais aucun aucune sans",
      "deux trois quatre cinq six sept huit neuf dix onze douze" },
};

/* Where a word stands in a list of words set apart by single spaces, from 1; 0 = it does not. */
static size_t list_place(const char *list, Slice word) {
    if (!word.n) return 0;
    size_t place = 1;
    for (const char *p = list; *p; place++) {
        size_t n = strcspn(p, " ");
        if (n == word.n && memcmp(p, word.p, n) == 0) return place;
        p += n;
        while (*p == ' ') p++;
    }
    return 0;
}

static bool list_has(const char *list, Slice word) {
    return list_place(list, word) > 0;
}

AnswerKind kind_of_question(const char *language, Slice before, Slice now) {
    for (size_t i = 0; i < N_ELEMENTS(ask_words); i++) {
        const AskWords *a = &ask_words[i];
        if (strcmp(a->language, language) != 0) continue;
        bool hit = *a->second ? list_has(a->first, before) && list_has(a->second, now)
                              : list_has(a->first, now);
        if (hit) return a->kind;
    }
    return ANSWER_ANY;
}

bool kind_has_digit(Slice word) {
    for (size_t i = 0; i < word.n; i++) {
        if (isdigit((unsigned char)word.p[i])) return true;
    }
    return false;
}

/* 1000-2100 in four digits: the commonest form of a date's year. */
static bool is_year(Slice s) {
    if (s.n != 4) return false;
    for (size_t i = 0; i < 4; i++) {
        if (!isdigit((unsigned char)s.p[i])) return false;
    }
    return s.p[0] == '1' || (s.p[0] == '2' && s.p[1] <= '1');
}

bool kind_is_time(Slice word) {
    return is_year(word) || list_has(months, word);
}

bool kind_is_number(Slice word) {
    return kind_has_digit(word) || list_has(number_words, word);
}

bool kind_is_cause(Slice word) {
    return list_has(causes, word);
}

bool kind_is_pronoun(Slice word) {
    return list_has(pronouns, word);
}

static const LanguageWords *find_language(const char *language) {
    for (size_t i = 0; i < N_ELEMENTS(language_words); i++) {
        if (strcmp(language_words[i].language, language) == 0) return &language_words[i];
    }
    return NULL;
}

bool kind_is_negation(const char *language, Slice word) {
    const LanguageWords *words = find_language(language);
    return words && list_has(words->negations, word);
}

const char *kind_digits(const char *language, Slice word) {
    static const char *const digits[] = { "",  "2", "3", "4",  "5",  "6",
                                          "7", "8", "9", "10", "11", "12" };
    const LanguageWords *words = find_language(language);
    return words ? digits[list_place(words->counts, word)] : "";
}

bool kind_is_percent(Slice word) {
    static const char *const beginnings[] = { "percent", "prozent", "porcent", "pourcent" };
    for (size_t i = 0; i < N_ELEMENTS(beginnings); i++) {
        if (slice_starts(word, slice_of(beginnings[i]))) return true;
    }
    return false;
}

bool kind_is_capital(Slice s) {
    if (!s.n) return false;
    unsigned char c = (unsigned char)s.p[0];
    if (c < 0x80) return isupper(c);
    /* the capitals of Latin-1, Greek and Cyrillic */
    return (c == 0xC3 && s.n > 1 && (unsigned char)s.p[1] < 0x9F) ||
           (c == 0xCE && s.n > 1 && (unsigned char)s.p[1] < 0xB0) ||
           (c == 0xD0 && s.n > 1 && (unsigned char)s.p[1] < 0xB0);
}
