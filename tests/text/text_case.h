#pragma once
/* Tables for the tests of readers: an input, a piece of its clean text, and the bytes of the
 * original that the map must give for it. */
#include "text_check.h"

#include <criterion/criterion.h>

typedef struct OriginCase {
    const char *input, *clean, *origin;
} OriginCase;

static inline TextDocs read_ok(Slice input, const TextHints *hints) {
    TextDocs docs;
    Err err = { 0 };
    Status status = text_read(input, hints, NULL, &docs, &err);
    cr_assert_eq(status, STATUS_OK, "%s", err.text);
    for (size_t i = 0; i < docs.n_docs; i++) {
        const char *wrong = check_doc(&docs.docs[i], NULL);
        cr_assert_null(wrong, "%s", wrong ? wrong : "");
    }
    return docs;
}

static inline void expect_slice(Slice got, const char *want) {
    cr_assert(slice_equal(got, slice_of(want)), "got \"%.*s\", want \"%s\"", SLICE_ARGS(got), want);
}

static inline void expect_text(const char *input, const TextHints *hints, const char *want) {
    TextDocs docs = read_ok(slice_of(input), hints);
    expect_slice(docs.docs[0].text, want);
    text_docs_deinit(&docs);
}

/* The bytes of the original for the first place of clean in the document. */
static inline Slice origin_of(const TextDoc *doc, const char *clean) {
    const char *hit = memmem(doc->text.p, doc->text.n, clean, strlen(clean));
    cr_assert_not_null(hit, "\"%s\" is not in \"%.*s\"", clean, SLICE_ARGS(doc->text));
    size_t at = (size_t)(hit - doc->text.p), start, end;
    cr_assert(text_map_span(&doc->map, at, at + strlen(clean), &start, &end), "no origin: %s",
              clean);
    return (Slice){ doc->origin.p + start, end - start };
}

static inline void expect_origins(const OriginCase *cases, size_t n, const TextHints *hints) {
    for (size_t i = 0; i < n; i++) {
        TextDocs docs = read_ok(slice_of(cases[i].input), hints);
        expect_slice(origin_of(&docs.docs[0], cases[i].clean), cases[i].origin);
        text_docs_deinit(&docs);
    }
}

static inline void expect_refused(Slice input, const TextHints *hints, Status want,
                                  const char *part_of_message) {
    TextDocs docs;
    Err err = { 0 };
    cr_assert_eq(text_read(input, hints, NULL, &docs, &err), want, "%s", err.text);
    cr_assert_not_null(strstr(err.text, part_of_message), "\"%s\"", err.text);
}
