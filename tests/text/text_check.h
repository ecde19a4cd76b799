#pragma once
/* What must hold of every document that a reader gives, whatever it was given: shared by the tests
 * of the readers, the mutants and the fuzzer. */
#include "base/utf8.h"
#include "text/passage.h"
#include "text/reader.h"
#include "text/terms.h"

#include <string.h>

/* NULL, or what is wrong with the clean text. */
static inline const char *check_clean(Slice text) {
    if (!text.n) return "a document without text";
    if (utf8_valid_length(text) != text.n) return "the clean text is not UTF-8";
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F) return "a control in the clean text";
        if (c == 0xC2 && (unsigned char)text.p[i + 1] < 0xA0)
            return "a C1 control in the clean text";
    }
    return memmem(text.p, text.n, "\n\n\n", 3) ? "paragraphs parted by more than one line" : NULL;
}

static inline const char *check_map(const TextDoc *doc) {
    size_t clean = 0, origin = 0;
    for (size_t i = 0; i < doc->map.n_runs; i++) {
        const TextRun *run = &doc->map.runs[i];
        if (!run->count || !run->clean_unit || !run->origin_unit) return "an empty run";
        if (run->clean < clean || run->origin < origin) return "runs do not ascend";
        clean = run->clean + run->count * run->clean_unit;
        origin = run->origin + run->count * run->origin_unit;
    }
    if (clean > doc->text.n) return "a run leaves the clean text";
    return origin > doc->origin.n ? "a run leaves the original" : NULL;
}

static inline const char *check_passages(const TextDoc *doc) {
    Arena arena = ARENA_NULL;
    TextPassage *passages;
    TextSpan *sentences;
    size_t n, n_sentences, end = 0;
    char language[16] = "";
    if (doc->language.n < sizeof language) memcpy(language, doc->language.p, doc->language.n);
    const char *wrong = NULL;
    if (text_sentences(doc->text, language, &arena, &sentences, &n_sentences, NULL) != STATUS_OK)
        wrong = "no sentences";
    for (size_t i = 0; !wrong && i < n_sentences; i++) {
        if (sentences[i].start < end || sentences[i].start >= sentences[i].end)
            wrong = "sentences overlap or are empty";
        end = sentences[i].end;
    }
    if (!wrong && end > doc->text.n) wrong = "a sentence leaves the text";
    end = 0;
    if (!wrong && text_passages(doc, 20, &arena, &passages, &n, NULL) != STATUS_OK)
        wrong = "no passages";
    for (size_t i = 0; !wrong && i < n; i++) {
        TextSpan span = passages[i].span;
        if (span.start < end || span.start >= span.end) wrong = "passages overlap or are empty";
        Slice s = { doc->text.p + span.start, span.end - span.start };
        if (!wrong && utf8_valid_length(s) != s.n) wrong = "a passage cuts a character";
        end = span.end;
    }
    if (!wrong && end > doc->text.n) wrong = "a passage leaves the text";
    arena_deinit(&arena);
    return wrong;
}

typedef struct CheckTerms {
    Slice text;
    const char *wrong;
} CheckTerms;

static inline Status check_term(void *context, const Term *term) {
    CheckTerms *check = context;
    if (!term->text.n || utf8_valid_length(term->text) != term->text.n)
        check->wrong = "a term that is empty or not UTF-8";
    if (term->start >= term->end || term->end > check->text.n)
        check->wrong = "a term that leaves the text";
    return STATUS_OK;
}

/* terms may be NULL: then they are not looked at. */
static inline const char *check_doc(const TextDoc *doc, TextTerms *terms) {
    const char *wrong = check_clean(doc->text);
    if (!wrong) wrong = check_map(doc);
    size_t end = 0;
    for (size_t i = 0; !wrong && i < doc->n_headings; i++) {
        const TextHeading *heading = &doc->headings[i];
        if (heading->start < end || heading->start >= heading->end || heading->end > doc->text.n)
            wrong = "headings overlap, are empty or leave the text";
        if (heading->level < 1 || heading->level > 6) wrong = "a heading of no level";
        end = heading->end;
    }
    if (!wrong) wrong = check_passages(doc);
    if (wrong || !terms) return wrong;
    char language[16] = "";
    if (doc->language.n < sizeof language) memcpy(language, doc->language.p, doc->language.n);
    CheckTerms check = { doc->text, NULL };
    Status status = text_terms_each(terms, doc->text, language, TERM_WORD | TERM_STEM | TERM_GRAM,
                                    check_term, &check);
    return status ? "terms failed" : check.wrong;
}
