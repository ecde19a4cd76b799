/* No parsing: the signs are words and how many carry content. Each rule is there for a kind of
 * question that the tests name; where signs are weak (a question without a name, but with a subject
 * of its own) the question is left alone, because a topic that does not belong there costs more
 * than one that is missing: the asker sees the answer and asks in full. */
#include "answer/followup.h"

#include "answer/kind.h"
#include "base/buf.h"
#include "text/terms.h"

#include <string.h>

enum { MAX_WORDS = 96, MAX_RUNS = 4 };

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

typedef enum Leaning {
    STANDS_ALONE,
    MAY_STAND_ALONE, /* leans as much as it names something itself */
    MAY_CONTINUE,    /* nothing says that it leans, but it is short and names nothing */
    CONTINUES,       /* about the same thing */
    REPLACES,        /* the same of another thing */
    ADDS,            /* the same under a further condition */
} Leaning;

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
static Leaning judge_bare_name(const Words *w) {
    const Word *name = first_content(w);
    bool is_condition = name > w->words && is_among(name[-1].folded, conditions);
    return is_condition ? ADDS : REPLACES;
}

/* Italian leaves the subject out where it is known: "Quando è entrata in vigore?". A subject of its
 * own would come with an article. */
static bool lacks_subject(const Words *w, const char *language) {
    return strcmp(language, "it") == 0 && w->n_content <= 2 && !has_any(w, definite);
}

static Leaning judge(const Words *w, const char *language) {
    bool is_known = strcmp(language, "it") == 0 || strcmp(language, "en") == 0;
    bool goes_on = w->n && is_among(w->words[0].folded, openings);
    bool is_short = w->n <= w->n_names + 3;
    if (!is_known) return w->n_content <= 1 && !w->n_names ? CONTINUES : STANDS_ALONE;
    if (w->n_names && w->n_names == w->n_content && !is_definition(w) && (goes_on || is_short)) {
        return judge_bare_name(w);
    }
    if (w->n && is_among(w->words[w->n - 1].folded, pronouns)) return CONTINUES;
    if (w->n_names) return goes_on || has_any(w, pronouns) ? MAY_STAND_ALONE : STANDS_ALONE;
    if (goes_on || has_any(w, pronouns)) return CONTINUES;
    if (is_definition(w)) return STANDS_ALONE;
    if (w->n_content <= 1 || lacks_subject(w, language)) return CONTINUES;
    return w->n_content <= 3 ? MAY_CONTINUE : STANDS_ALONE;
}

/* ---- what it is read with ---- */

/* Names that stand together, by their words: [begin, end). */
typedef struct Run {
    size_t begin, end;
} Run;

typedef struct Topic {
    const Words *question, *before;
    Run runs[MAX_RUNS];
    size_t n_runs;
} Topic;

static const char *const joints[] = { "and", "of", "e", "di", "del", "della", "dei", NULL };

static void find_runs(Topic *t) {
    const Words *w = t->before;
    for (size_t i = 0; i < w->n; i++) {
        if (!w->words[i].is_name) continue;
        Run *last = t->n_runs ? &t->runs[t->n_runs - 1] : NULL;
        bool joined = last && (last->end == i ||
                               (last->end + 1 == i && is_among(w->words[i - 1].folded, joints)));
        if (joined)
            last->end = i + 1;
        else if (t->n_runs < MAX_RUNS)
            t->runs[t->n_runs++] = (Run){ i, i + 1 };
    }
}

static bool has_word(const Words *w, Slice folded) {
    for (size_t i = 0; i < w->n; i++) {
        if (slice_equal(w->words[i].folded, folded)) return true;
    }
    return false;
}

typedef struct Choice {
    Leaning leaning;
    Run run;          /* the names that are meant; empty = all */
    bool all_content; /* not the names alone */
} Choice;

static bool is_wanted(const Topic *t, size_t i, const Choice *choice) {
    const Word *word = &t->before->words[i];
    bool in_run = i >= choice->run.begin && i < choice->run.end;
    bool is_meant = choice->run.end ? in_run : word->is_name;
    if (choice->leaning == ADDS) return true;
    if (choice->leaning == REPLACES) return !is_meant;
    if (has_word(t->question, word->folded)) return false;
    return choice->all_content ? word->is_content : is_meant;
}

/* Words that stood together stay together, with what was between them. */
static void append_topic(const Topic *t, const Choice *choice, Buf *out) {
    const Words *before = t->before;
    size_t begin = out->n, last = 0, n = 0;
    for (size_t i = 0; i < before->n && n < FOLLOWUP_MAX_WORDS; i++) {
        const Word *word = &before->words[i];
        if (!is_wanted(t, i, choice)) continue;
        size_t from = n && last + 1 == i ? before->words[last].end : word->start;
        if (out->n - begin + (word->end - from) > FOLLOWUP_MAX_BYTES) return;
        if (n && from == word->start) buf_append_byte(out, ' ');
        buf_append(out, before->text.p + from, word->end - from);
        last = i;
        n++;
    }
}

/* One reading more, unless it is there or adds nothing. */
static Status add_reading(const Topic *t, Choice choice, Arena *arena, FollowupReadings *ret,
                          Err *err) {
    AUTO_BUF Buf text = BUF_NULL;
    buf_append_slice(&text, t->question->text);
    buf_append_string(&text, " (");
    size_t begin = text.n;
    append_topic(t, &choice, &text);
    bool has_topic = text.n > begin;
    buf_append_byte(&text, ')');
    TRY(buf_status(&text, err));
    for (size_t i = 0; i < ret->n; i++) {
        has_topic = has_topic && !slice_equal(ret->texts[i], buf_slice(&text));
    }
    if (!has_topic || ret->n == FOLLOWUP_MAX_READINGS - 1) return STATUS_OK;
    const char *copy = arena_string(arena, buf_slice(&text));
    if (!copy) return err_set(err, STATUS_NO_MEMORY, "out of memory for a question");
    ret->texts[ret->n++] = (Slice){ copy, text.n };
    return STATUS_OK;
}

/* One name is meant of several; the last that was named is the likeliest to be spoken of. */
static Status add_names(const Topic *t, Leaning leaning, Arena *arena, FollowupReadings *ret,
                        Err *err) {
    for (size_t i = 0; i < t->n_runs; i++) {
        size_t k = leaning == CONTINUES ? t->n_runs - 1 - i : i;
        TRY(add_reading(t, (Choice){ .leaning = leaning, .run = t->runs[k] }, arena, ret, err));
    }
    return STATUS_OK;
}

static Status add_readings(const Topic *t, Leaning leaning, Arena *arena, FollowupReadings *ret,
                           Err *err) {
    if (leaning != ADDS && t->n_runs) return add_names(t, leaning, arena, ret, err);
    Choice all = { .leaning = leaning == REPLACES ? ADDS : leaning, .all_content = true };
    return add_reading(t, all, arena, ret, err);
}

static Status read_both(TextTerms *terms, Slice question, const char *language, Slice before,
                        Arena *arena, FollowupReadings *ret, Err *err) {
    Words *words = arena_alloc(arena, 2, sizeof *words);
    if (!words) return err_set(err, STATUS_NO_MEMORY, "out of memory for a question");
    TRY(read_words(terms, question, language, arena, &words[0], err));
    Leaning leaning = judge(&words[0], language);
    if (leaning == STANDS_ALONE) return STATUS_OK;
    TRY(read_words(terms, before, language, arena, &words[1], err));
    Topic topic = { .question = &words[0], .before = &words[1] };
    find_runs(&topic);
    ret->is_sure = leaning > MAY_CONTINUE;
    ret->n = leaning == MAY_STAND_ALONE;
    TRY(add_readings(&topic, MAX(leaning, CONTINUES), arena, ret, err));
    if (leaning == MAY_CONTINUE || !ret->n) ret->texts[ret->n++] = question;
    return STATUS_OK;
}

Status followup_readings(Slice question, const char *language, Slice before, Arena *arena,
                         FollowupReadings *ret, Err *err) {
    *ret = (FollowupReadings){ .texts = { slice_trim(question) }, .n = 1, .is_sure = true };
    if (!before.n) return STATUS_OK;
    TextTerms *terms = text_terms_new();
    if (!terms) return err_set(err, STATUS_NO_MEMORY, "out of memory for a question");
    Status status = read_both(terms, ret->texts[0], language, before, arena, ret, err);
    text_terms_free(terms);
    return status;
}
