/* Fuzzes the readers and what follows them. The first byte chooses the name and the declared
 * encoding, the rest is the file. What must hold of a document is checked, not only that nothing
 * crashes: see tests/text/text_check.h. */
#include "fuzz/fuzz.h"
#include "text/text_check.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = { "", "a.txt", "a.md", "a.html", "a.jsonl", "a.xml" };
    static const char *const charsets[] = { "", "utf-8", "windows-1252", "shift_jis",
                                            "iso-2022-jp" };
    static TextTerms *terms;
    if (!size || size > 1 << 16) return 0;
    if (!terms) terms = text_terms_new();
    size_t which = data[0];
    TextHints hints = { .name = slice_of(names[which % N_ELEMENTS(names)]),
                        .charset = slice_of(charsets[which / 6 % N_ELEMENTS(charsets)]) };
    TextDocs docs;
    Err err = { 0 };
    Status status =
        text_read((Slice){ (const char *)data + 1, size - 1 }, &hints, NULL, &docs, &err);
    if (status) {
        if (!err.text[0] || status > 0 || status == STATUS_INTERNAL) abort();
        return 0;
    }
    for (size_t i = 0; i < docs.n_docs; i++)
        if (check_doc(&docs.docs[i], terms)) abort();
    text_docs_deinit(&docs);
    return 0;
}
