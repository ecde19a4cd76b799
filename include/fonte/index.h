#pragma once
/* An index of documents without a daemon: open a folder, add, search, ask.
 * One process at a time may hold a folder open for writing (fonted does); a second one gets
 * FONTE_CONFLICT, or opens it for reading only.
 * Threads: every function may be called from any thread. */
#include <fonte/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct FonteIndex FonteIndex;

typedef struct FonteIndexOptions {
    bool read_only;
    size_t max_passage_words; /* 0 = 200 */
    const char *embedder;     /* NULL = the default, which needs no file */
    void (*progress)(void *context, const char *stage, double ratio); /* while opening; or NULL */
    void *context;
} FonteIndexOptions;

/* Open or create. options may be NULL. error may be NULL everywhere. */
FONTE_API FonteStatus fonte_index_open(const char *folder, const FonteIndexOptions *options,
                                       FonteIndex **ret, FonteError *error);
/* Returns NULL; NULL is fine. */
FONTE_API FonteIndex *fonte_index_close(FonteIndex *index);

/* What is known of an input beside its bytes. Anything may be NULL; what is given wins over what
 * the document says of itself. */
typedef struct FonteInput {
    const void *bytes; /* borrowed for the call */
    size_t n_bytes;
    const char *collection;
    const char *name; /* file name: its ending helps to choose the reader */
    const char *mime;
    const char *title, *url, *date, *language, *source;
    const char *id; /* replace this document */
} FonteInput;

/* Durable and searchable on FONTE_OK. Now and then, as the index grows, a call takes some seconds
 * longer, in which the vectors change their form. One input may hold several documents (JSON Lines,
 * feeds). *ret is returned owned (fonte_added_free). */
FONTE_API FonteStatus fonte_index_add(FonteIndex *index, const FonteInput *input,
                                      FonteAddedList **ret, FonteError *error);
/* Several inputs in one transaction, read and embedded on n_threads threads (0 = as many as there
 * are processors): how to add much, quickly. ret[i] (may be NULL as a whole) is that of inputs[i],
 * NULL where errors[i] (may be NULL as a whole) says why it could not be read. A failure to commit
 * fails the call and changes nothing. */
FONTE_API FonteStatus fonte_index_add_many(FonteIndex *index, const FonteInput *inputs, size_t n,
                                           unsigned n_threads, FonteAddedList **ret,
                                           FonteError *errors, FonteError *error);
FONTE_API FonteAddedList *fonte_added_free(FonteAddedList *added);
FONTE_API FonteStatus fonte_index_remove(FonteIndex *index, const char *id, FonteError *error);

/* *ret returned owned (fonte_passages_free). */
FONTE_API FonteStatus fonte_index_search(FonteIndex *index, const FonteQuery *query,
                                         FontePassages **ret, FonteError *error);
FONTE_API FontePassages *fonte_passages_free(FontePassages *passages);

/* Answer by quoting. *ret returned owned (fonte_answer_free). options: NULL = defaults. */
typedef struct FonteAskOptions {
    double min_confidence; /* 0-1, abstain below; negative = the calibrated default */
    size_t max_sentences;  /* 0 = 3 */
} FonteAskOptions;
FONTE_API FonteStatus fonte_index_ask(FonteIndex *index, const FonteQuery *query,
                                      const FonteAskOptions *options, FonteAnswer **ret,
                                      FonteError *error);
FONTE_API FonteAnswer *fonte_answer_free(FonteAnswer *answer);

/* The clean text's bytes [start, end) of a document (end past it = to its end), NUL-terminated,
 * returned owned (free). */
FONTE_API FonteStatus fonte_index_text(FonteIndex *index, const char *id, size_t start, size_t end,
                                       char **ret, size_t *ret_n, FonteError *error);

typedef struct FonteIndexCounts {
    size_t n_documents, n_passages, n_vectors, n_file_bytes;
    char embedder[64];
} FonteIndexCounts;
FONTE_API FonteStatus fonte_index_counts(FonteIndex *index, FonteIndexCounts *ret,
                                         FonteError *error);
/* Check that store, lexical index and vectors agree. FONTE_DAMAGED with the first difference. */
FONTE_API FonteStatus fonte_index_verify(FonteIndex *index, FonteError *error);
/* Background work to its end: training, re-embedding, snapshot. */
FONTE_API FonteStatus fonte_index_settle(FonteIndex *index, FonteError *error);

/* Text tools that match what the index does; for tests and evaluation. The sentences of text as
 * pairs of byte offsets, returned owned (free): ret[2*i], ret[2*i+1]. */
FONTE_API FonteStatus fonte_text_sentences(const char *text, size_t n_bytes, const char *language,
                                           size_t **ret, size_t *ret_n, FonteError *error);

#ifdef __cplusplus
}
#endif
