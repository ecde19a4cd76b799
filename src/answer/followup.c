/* No parsing: the signs are words and how many carry content. Each rule is there for a kind of
 * question that the tests name; where signs are weak (a question without a name, but with a subject
 * of its own) the question is left alone, because a topic that does not belong there costs more
 * than one that is missing: the asker sees the answer and asks in full. */
#include "answer/followup.h"

#include "answer/kind.h"
#include "base/buf.h"
#include "text/terms.h"

#include <string.h>

enum { MAX_WORDS = 96 };

typedef struct Word {
    Slice folded; /* in the arena */
    size_t start, end;
    bool is_content, is_name;
} Word;

typedef struct Words {
    Arena *arena;
    Slice text;
    Word words[MAX_WORDS];
    size_t n, n_content, n_names;
} Words;

typedef enum Reading {
    STANDS_ALONE,
    CONTINUES, /* about the same thing */
    REPLACES,  /* the same of another thing */
    ADDS,      /* the same under a further condition */
} Reading;

static bool is_among(Slice word, const char *const *list) {
    for (; *list; list++) {
        if (slice_equal(word, slice_of(*list))) return true;
    }
    return false;
}

/* ---- words ---- */

/* What begins a question that goes on from another; they carry no content. */
static const char *const openings[] = {
    "and", "but",   "also", "then",   "so",     "e",      "ed",
    "ma",  "anche", "poi",  "allora", "quindi", "invece", NULL
};

/* "AI" is a name even where "ai" is a function word. */
static bool is_acronym(Slice written) {
    return written.n >= 2 && written.p[0] >= 'A' && written.p[0] <= 'Z' && written.p[1] >= 'A' &&
           written.p[1] <= 'Z';
}

static Status take_word(void *context, const Term *term) {
    Words *w = context;
    if (w->n == MAX_WORDS || term->is_part) return STATUS_OK;
    const char *folded = arena_string(w->arena, term->text);
    if (!folded) return STATUS_NO_MEMORY;
    Slice written = { w->text.p + term->start, term->end - term->start };
    Word word = { .folded = { folded, term->text.n }, .start = term->start, .end = term->end };
    word.is_content = is_acronym(written) || (!term->is_stop && !is_among(word.folded, openings));
    word.is_name =
        word.is_content && w->n > 0 && (kind_is_capital(written) || kind_has_digit(term->text));
    w->n_content += word.is_content;
    w->n_names += word.is_name;
    w->words[w->n++] = word;
    return STATUS_OK;
}

static Status read_words(TextTerms *terms, Slice text, const char *language, Arena *arena,
                         Words *ret, Err *err) {
    *ret = (Words){ .arena = arena, .text = text };
    Status status = text_terms_each(terms, text, language, TERM_WORD | TERM_GRAM, take_word, ret);
    return status == STATUS_OK ? STATUS_OK : err_set(err, status, "the question cannot be read");
}

/* ---- does it stand alone? ---- */

static const char *const pronouns[] = { "it",     "its",    "they",   "them",   "their",  "he",
                                        "him",    "his",    "she",    "her",    "this",   "these",
                                        "those",  "such",   "esso",   "essa",   "essi",   "esse",
                                        "egli",   "ella",   "lui",    "lei",    "loro",   "questo",
                                        "questa", "questi", "queste", "quest",  "quello", "quella",
                                        "quel",   "suo",    "sua",    "suoi",   "sue",    "tale",
                                        "tali",   "cio",    "stesso", "stessa", NULL };
static const char *const definite[] = { "the",   "il",    "lo",    "la",    "l",     "i",
                                        "gli",   "le",    "un",    "uno",   "una",   "dei",
                                        "delle", "degli", "del",   "dello", "della", "al",
                                        "alla",  "nel",   "nella", NULL };
static const char *const conditions[] = { "in",    "for",    "from",  "with",  "at",
                                          "after", "before", "per",   "con",   "da",
                                          "dal",   "dalla",  "nel",   "nella", "nell",
                                          "negli", "dopo",   "prima", "since", NULL };
static const char *const definitions[][3] = {
    { "what", "is", NULL },        { "what", "are", NULL },  { "who", "is", NULL },
    { "cos", "e", NULL },          { "cosa", "e", NULL },    { "cosa", "sono", NULL },
    { "chi", "e", NULL },          { "che", "cos", "e" },    { "che", "cosa", "e" },
    { "cosa", "significa", NULL }, { "what", "does", NULL },
};

static bool has_any(const Words *w, const char *const *list) {
    for (size_t i = 0; i < w->n; i++) {
        if (is_among(w->words[i].folded, list)) return true;
    }
    return false;
}

/* "What is X?" asks for X, whatever was asked before; "What are the penalties?" does not. */
static bool is_definition(const Words *w) {
    for (size_t i = 0; i < sizeof definitions / sizeof *definitions; i++) {
        size_t n = 0;
        while (n < 3 && definitions[i][n] && n < w->n &&
               slice_equal(w->words[n].folded, slice_of(definitions[i][n]))) {
            n++;
        }
        bool all = n == 3 || !definitions[i][n];
        if (all && n < w->n && !slice_equal(w->words[n].folded, SLICE("the"))) return true;
    }
    return false;
}

static const Word *first_content(const Words *w) {
    for (size_t i = 0; i < w->n; i++) {
        if (w->words[i].is_content) return &w->words[i];
    }
    return NULL;
}

/* Content that is a name and nothing else: "And Anthropic?", "E in Italia?", "What about Italy?" */
static Reading read_bare_name(const Words *w) {
    const Word *name = first_content(w);
    bool is_condition = name > w->words && is_among(name[-1].folded, conditions);
    return is_condition ? ADDS : REPLACES;
}

/* Italian leaves the subject out where it is known: "Quando è entrata in vigore?". A subject of its
 * own would come with an article. */
static bool lacks_subject(const Words *w, const char *language) {
    return strcmp(language, "it") == 0 && w->n_content <= 2 && !has_any(w, definite);
}

static Reading judge(const Words *w, const char *language) {
    bool is_known = strcmp(language, "it") == 0 || strcmp(language, "en") == 0;
    bool goes_on = w->n && is_among(w->words[0].folded, openings);
    if (!is_known) return w->n_content <= 1 && !w->n_names ? CONTINUES : STANDS_ALONE;
    if (w->n_names && w->n_names == w->n_content && !is_definition(w)) {
        bool is_short = w->n <= w->n_names + 3;
        if (goes_on || is_short) return read_bare_name(w);
    }
    if (w->n && is_among(w->words[w->n - 1].folded, pronouns)) return CONTINUES;
    if (w->n_names) return STANDS_ALONE;
    if (goes_on || has_any(w, pronouns)) return CONTINUES;
    if (is_definition(w)) return STANDS_ALONE;
    return w->n_content <= 1 || lacks_subject(w, language) ? CONTINUES : STANDS_ALONE;
}

/* ---- what it is read with ---- */

static bool has_word(const Words *w, Slice folded) {
    for (size_t i = 0; i < w->n; i++) {
        if (slice_equal(w->words[i].folded, folded)) return true;
    }
    return false;
}

static bool is_wanted(const Words *before, const Word *word, Reading reading) {
    if (reading == ADDS) return true;
    if (reading == REPLACES) return !word->is_name;
    return before->n_names ? word->is_name : word->is_content;
}

/* Words that stood together stay together, with what was between them. */
static void append_topic(const Words *before, const Words *question, Reading reading, Buf *out) {
    size_t begin = out->n, last = 0, n = 0;
    for (size_t i = 0; i < before->n && n < FOLLOWUP_MAX_WORDS; i++) {
        const Word *word = &before->words[i];
        if (!is_wanted(before, word, reading)) continue;
        if (reading == CONTINUES && has_word(question, word->folded)) continue;
        size_t from = n && last + 1 == i ? before->words[last].end : word->start;
        if (out->n - begin + (word->end - from) > FOLLOWUP_MAX_BYTES) return;
        if (n && from == word->start) buf_append_byte(out, ' ');
        buf_append(out, before->text.p + from, word->end - from);
        last = i;
        n++;
    }
}

static Status combine(const Words *question, const Words *before, Reading reading, Arena *arena,
                      Slice *ret, Err *err) {
    AUTO_BUF Buf text = BUF_NULL;
    buf_append_slice(&text, question->text);
    buf_append_string(&text, " (");
    size_t begin = text.n;
    append_topic(before, question, reading, &text);
    bool has_topic = text.n > begin;
    buf_append_byte(&text, ')');
    TRY(buf_status(&text, err));
    if (!has_topic) return STATUS_OK;
    const char *copy = arena_string(arena, buf_slice(&text));
    if (!copy) return err_set(err, STATUS_NO_MEMORY, "out of memory for a question");
    *ret = (Slice){ copy, text.n };
    return STATUS_OK;
}

static Status read_both(TextTerms *terms, Slice question, const char *language, Slice before,
                        Arena *arena, Slice *ret, Err *err) {
    Words *words = arena_alloc(arena, 2, sizeof *words);
    if (!words) return err_set(err, STATUS_NO_MEMORY, "out of memory for a question");
    TRY(read_words(terms, question, language, arena, &words[0], err));
    Reading reading = judge(&words[0], language);
    if (reading == STANDS_ALONE) return STATUS_OK;
    TRY(read_words(terms, before, language, arena, &words[1], err));
    return combine(&words[0], &words[1], reading, arena, ret, err);
}

Status followup_read(Slice question, const char *language, Slice before, Arena *arena, Slice *ret,
                     Err *err) {
    *ret = question;
    if (!before.n) return STATUS_OK;
    TextTerms *terms = text_terms_new();
    if (!terms) return err_set(err, STATUS_NO_MEMORY, "out of memory for a question");
    Status status = read_both(terms, slice_trim(question), language, before, arena, ret, err);
    text_terms_free(terms);
    return status;
}
