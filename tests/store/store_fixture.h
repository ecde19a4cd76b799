#pragma once
/* What the tests of the store share: a folder of the test's own, a tokenizer that knows only ASCII
 * (words at white space, lower case; a final "s" is stripped as a colocated stem), and documents
 * made from strings. Each test runs in a process of its own. */
#include "store/store.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static inline void *fixture_new(void) {
    return mem_alloc(1, 1);
}

static inline Status fixture_word(Slice word, size_t start,
                                  Status (*take)(void *context, Slice term, size_t start,
                                                 size_t end, bool colocated),
                                  void *context) {
    char folded[256];
    size_t n = MIN(word.n, sizeof folded);
    for (size_t i = 0; i < n; i++) folded[i] = (char)tolower((unsigned char)word.p[i]);
    TRY(take(context, (Slice){ folded, n }, start, start + word.n, false));
    if (n < 3 || folded[n - 1] != 's') return STATUS_OK;
    return take(context, (Slice){ folded, n - 1 }, start, start + word.n, true);
}

/* In a question, "the" carries no meaning. */
static inline Status fixture_each(void *instance, Slice text, const char *language, bool is_query,
                                  Status (*take)(void *context, Slice term, size_t start,
                                                 size_t end, bool colocated),
                                  void *context) {
    (void)instance, (void)language;
    for (size_t i = 0; i < text.n;) {
        if (isspace((unsigned char)text.p[i]) || text.p[i] == '\0') {
            i++;
            continue;
        }
        size_t start = i;
        while (i < text.n && text.p[i] && !isspace((unsigned char)text.p[i])) i++;
        Slice word = { text.p + start, i - start };
        if (is_query && slice_equal(word, SLICE("the"))) continue;
        TRY(fixture_word(word, start, take, context));
    }
    return STATUS_OK;
}

static const StoreTokenizer fixture_tokenizer = { fixture_new, free, fixture_each, "test-1" };
static const StoreOptions fixture_options = { .tokenizer = &fixture_tokenizer };

typedef struct FixtureDocument {
    const char *key, *title, *text, *collection, *language, *source, *date;
} FixtureDocument;

/* Add one document, with a passage for each paragraph (parted by an empty line), between begin and
 * commit. vector: the bytes of every passage's vector, "" = none. */
static inline Status fixture_put(Store *store, const FixtureDocument *f, int64_t embedder,
                                 const char *vector, StorePut *ret, StoreIds *removed, Err *err) {
    StorePassage passages[64] = { { 0 } };
    size_t n = 0, length = strlen(f->text);
    for (size_t start = 0; start < length && n < N_ELEMENTS(passages);) {
        const char *end = strstr(f->text + start, "\n\n");
        size_t stop = end ? (size_t)(end - f->text) : length;
        passages[n++] = (StorePassage){ .start = start, .end = stop, .vector = slice_of(vector) };
        start = end ? stop + 2 : length;
    }
    Slice text = { f->text, length };
    StoreDocument d = {
        .collection = slice_of(f->collection ? f->collection : "default"),
        .key = slice_of(f->key),
        .title = slice_of(f->title),
        .date = slice_of(f->date),
        .language = slice_of(f->language),
        .source = slice_of(f->source),
        .format = SLICE("text"),
        .text = text,
        .passages = passages,
        .n_passages = n,
        .embedder = embedder,
    };
    TRY(hash_sha256(&text, 1, &d.version, err));
    return store_put(store, &d, ret, removed, err);
}

/* The same in a transaction of its own. */
static inline Status fixture_add(Store *store, const FixtureDocument *f, StorePut *ret, Err *err) {
    TRY(store_begin(store, err));
    Status status = fixture_put(store, f, 0, "", ret, NULL, err);
    if (status != STATUS_OK) {
        store_rollback(store);
        return status;
    }
    return store_commit(store, err);
}

static char fixture_folder[] = "/tmp/fonte-test-store-XXXXXX";

static inline void fixture_drop(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf -- %s", fixture_folder);
    if (system(command) != 0) fprintf(stderr, "%s is left\n", fixture_folder);
}
